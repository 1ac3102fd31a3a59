import type { AuditEvent } from '../audit/audit.ts'
import { auditTypes } from '../audit/kinds.ts'
import { deviceLabel } from '../families/device.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { type AccountOutput, accountOutput } from './account-output.ts'
import { type LockOutput, lockOutput, lockWords } from './accounts-list.ts'
import { columns } from './columns.ts'
import { type FamilyOutput, familyOutput } from './family-output.ts'
import { ofOneAccount } from './one-account.ts'

interface SessionOutput {
  id: string
  signed_in_at?: string
  signed_in_from?: string
  last_used_at: string
  last_used_from?: string
  user_agent?: string
}

interface PlaceOutput {
  kind: 'network' | 'country'
  place: string
  sign_ins: number
  first_at: string
  last_at: string
}

interface EventOutput {
  at: string
  type: string
  client_id?: string
  family_id?: string
  ip?: string
  user_agent?: string
  detail?: Record<string, unknown>
}

interface Output {
  account: AccountOutput & { lock?: LockOutput }
  second_factors: string[]
  sessions: SessionOutput[]
  families: FamilyOutput[]
  places: PlaceOutput[]
  events: EventOutput[]
}

/** Most events shown; the table has the rest. */
const mostEvents = 50

/** `accounts show`, to answer "was I hacked?": `{ account, second_factors, sessions, families, places, events }`. */
export const accountsShow = ofOneAccount<Output>({
  async execute(core, account) {
    const { tenant, id: accountId, email } = account
    const [lock] = await core.lockouts.list(tenant, [accountId])
    const live = await core.families.list(tenant, { accountId, live: true })
    const types = auditTypes
    const events = await core.audit.ofAccount(tenant, accountId, { types, limit: mostEvents })
    return {
      account: { ...accountOutput(account), ...(lock ? { lock: lockOutput(lock) } : {}) },
      second_factors: (await core.factors.list(tenant, accountId)).map(({ kind }) => kind),
      sessions: await sessionsOf(core, tenant, accountId),
      families: live.map((family) => familyOutput(family, email, core.clock.now())),
      places: (await core.places.list(tenant, accountId)).map((known) => ({
        kind: known.kind,
        place: known.place,
        sign_ins: known.visits,
        first_at: rfc3339(known.firstAt),
        last_at: rfc3339(known.lastAt),
      })),
      events: events.map(eventOutput),
    }
  },
  render({ account, second_factors: factors, sessions, families, places, events }) {
    const { email, id, email_verified: verified, roles, disabled, lock } = account
    const state = [...roles, ...(disabled ? ['disabled'] : []), ...(lock ? lockWords(lock) : [])]
    return [
      columns([
        ['Account', email],
        ['Id', id],
        ['State', state.join(', ') || 'in use'],
        ['E-mail address', verified ? 'confirmed' : 'not confirmed'],
        ['Second factors', factors.join(', ') || 'none'],
      ]),
      ...section('Signed in', sessions, (session) => [
        session.id,
        `since ${session.signed_in_at ?? 'an unknown time'} from ${session.signed_in_from ?? '?'}`,
        `used ${session.last_used_at} from ${session.last_used_from ?? '?'}`,
        deviceLabel(session.user_agent),
      ]),
      ...section('Access of applications', families, (family) => [
        family.id,
        family.client_id,
        family.device,
        `since ${family.created_at}`,
        `used ${family.last_used_at}`,
      ]),
      ...section('Signed in from, so far', places, (known) => [
        known.place,
        `${known.sign_ins} times`,
        `from ${known.first_at} to ${known.last_at}`,
      ]),
      ...section(`Events, newest first (${mostEvents} at most)`, events, (event) => [
        event.at,
        event.type,
        event.client_id ?? '',
        event.ip ?? '',
        event.user_agent === undefined ? '' : deviceLabel(event.user_agent),
        event.detail === undefined ? '' : JSON.stringify(event.detail),
      ]),
    ].join('\n')
  },
})

function section<T>(title: string, rows: readonly T[], cells: (row: T) => string[]): string[] {
  return ['', title, rows.length === 0 ? '  none' : columns(rows.map((row) => ['', ...cells(row)]))]
}

async function sessionsOf(
  { sessions }: Capabilities,
  tenant: string,
  accountId: string,
): Promise<SessionOutput[]> {
  return (await sessions.list(tenant, accountId)).map((session) => {
    const { uid, signedInAt, lastUsedAt, signedInFrom, lastUsedFrom } = session
    return {
      id: uid,
      ...present({ signed_in_at: rfc3339(signedInAt), signed_in_from: signedInFrom.ip }),
      last_used_at: rfc3339(lastUsedAt),
      ...present({ last_used_from: lastUsedFrom.ip, user_agent: lastUsedFrom.userAgent }),
    }
  })
}

function eventOutput(event: AuditEvent & { at: number }): EventOutput {
  const { at, type, clientId, familyId, ip, userAgent, detail } = event
  return {
    at: rfc3339(at),
    type,
    ...present({ client_id: clientId, family_id: familyId, ip, user_agent: userAgent, detail }),
  }
}
