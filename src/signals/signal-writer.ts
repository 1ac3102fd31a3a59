import type { Config } from '../../config/config.ts'
import type { StoredEvent } from '../audit/event.ts'
import type { Clients } from '../clients/clients.ts'
import type { Subjects } from '../clients/subjects.ts'
import type { Grants } from '../grants/grants.ts'
import type { Platform } from '../platform.ts'
import { sidOf } from '../sessions/session.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { type Meaning, meaningsOf, type Signal, type Subject } from './signal.ts'

/** A person as a client knows them. */
interface PersonAt {
  clientId: string
  sub: string
  /** Whether the `sub` is pairwise: it must not be linkable to those of other sectors (OpenID Connect Core §8.1). */
  isPairwise: boolean
}

/** Turns audit events into signals about the people that a receiver knows. */
export function createSignalWriter({
  config,
  clients,
  subjects,
  grants,
  sealer,
}: Pick<Platform, 'sealer'> & {
  config: Pick<Config, 'issuer'>
  clients: Clients
  subjects: Subjects
  grants: Grants
}) {
  async function peopleAt(tenant: string, accountId: string, audiences: string[]) {
    const found: PersonAt[] = []
    for (const clientId of await grants.clientsFor(tenant, accountId, audiences)) {
      const client = await clients.metadata(tenant, clientId)
      if (!client) continue
      const isPairwise = client.subject_type === 'pairwise'
      found.push({ clientId, sub: await subjects.of(tenant, client, accountId), isPairwise })
    }
    return found
  }

  /** With pairwise subjects, a common `txn` would reveal that several are one person. */
  const transactionOf = (event: string, { sub, isPairwise }: PersonAt) =>
    isPairwise ? sealer.mac('signal-transaction', JSON.stringify([event, sub])) : event

  /** @param about wanted: event types; audiences: those of the receiver */
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
        for (const [person, subject] of subjectsOf(issuer, people, meaning)) {
          const txn = transactionOf(event.id, person)
          signals.push({ event: meaning.event, subject, body: meaning.body, txn })
        }
      }
    }
    return signals
  }
}

function subjectsOf(
  iss: string,
  people: PersonAt[],
  { session }: Meaning,
): Array<[PersonAt, Subject]> {
  const user = ({ sub }: PersonAt) => ({ format: 'iss_sub', iss, sub })
  if (session === undefined) {
    const once = new Map(people.map((person) => [person.sub, person]))
    return [...once.values()].map((person) => [person, user(person)])
  }
  return people.map((person) => [
    person,
    {
      format: 'complex',
      user: user(person),
      session: { format: 'opaque', id: sidOf(session, person.clientId) },
    },
  ])
}
