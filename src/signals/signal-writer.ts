import type { Config } from '../../config/config.ts'
import type { StoredEvent } from '../audit/event.ts'
import type { Clients } from '../clients/clients.ts'
import type { Subjects } from '../clients/subjects.ts'
import type { Grants } from '../grants/grants.ts'
import { sidOf } from '../sessions/session.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { type Meaning, meaningsOf, type Signal, type Subject } from './signal.ts'

/** A person at a client, as tokens for an audience call them. */
interface PersonAt {
  clientId: string
  sub: string
}

/** Makes signals of audit events: what they mean, about the people that a receiver knows. */
export function createSignalWriter({
  config,
  clients,
  subjects,
  grants,
}: {
  config: Pick<Config, 'issuer'>
  clients: Clients
  subjects: Subjects
  grants: Grants
}) {
  async function peopleAt(tenant: string, accountId: string, audiences: string[]) {
    const found: PersonAt[] = []
    for (const clientId of await grants.clientsFor(tenant, accountId, audiences)) {
      const client = await clients.metadata(tenant, clientId)
      if (client) found.push({ clientId, sub: await subjects.of(tenant, client, accountId) })
    }
    return found
  }

  /** @param about wanted: types of events; audiences: whose receiver it is */
  return async (
    tenant: string,
    events: StoredEvent[],
    { wanted, audiences }: { wanted: string[]; audiences: string[] },
  ): Promise<Signal[]> => {
    const issuer = issuerOf(config.issuer, tenant)
    const signals: Signal[] = []
    for (const event of events) {
      const meanings = meaningsOf(event).filter((meaning) => wanted.includes(meaning.event))
      if (meanings.length === 0 || event.accountId === undefined) continue
      const people = await peopleAt(tenant, event.accountId, audiences)
      for (const meaning of meanings) {
        for (const subject of subjectsOf(issuer, people, meaning)) {
          signals.push({ event: meaning.event, subject, body: meaning.body, txn: event.id })
        }
      }
    }
    return signals
  }
}

function subjectsOf(iss: string, people: PersonAt[], { session }: Meaning): Subject[] {
  const user = (sub: string) => ({ format: 'iss_sub', iss, sub })
  if (session === undefined) return [...new Set(people.map(({ sub }) => sub))].map(user)
  return people.map(({ clientId, sub }) => ({
    format: 'complex',
    user: user(sub),
    session: { format: 'opaque', id: sidOf(session, clientId) },
  }))
}
