import type { Core } from '../../../src/core.ts'
import { eventually } from '../../support/eventually.ts'
import { travel } from '../../support/time-travel.ts'
import type { Purpose } from './world.ts'

/** The state of the accounts of a walk in the database that must not change without proof. */
export interface Seen {
  accounts: SeenAccount[]
  sessions: SeenSession[]
  factors: { id: string; account: string; step: number; sealed: string }[]
  passkeys: SeenPasskey[]
  codes: { account: string; mac: string; used: boolean }[]
  tokens: SeenToken[]
}

interface SeenAccount {
  id: string
  tenant: string
  address: string
  verified: boolean
  disabled: boolean
  password: string | null
}

export interface SeenSession {
  uid: string
  tenant: string
  account: string
  handle: string
  /** Seconds since the epoch. */
  at: number
  acr: string | null
  expires: number
}

interface SeenPasskey {
  id: string
  account: string
  credential: string
  key: string
  counter: number
  /** Seconds since the epoch. */
  used: number | null
}

interface SeenToken {
  account: string
  purpose: Purpose
  id: string
  hash: string
  email: string
  used: boolean
  /** Seconds since the epoch. */
  expires: number
}

const ours = '(select id from accounts where id = any($1) or email like $3)'
const rowsOf = (query: string) => `(select coalesce(json_agg(r), '[]') from (${query}) r)`

/** $1 are the accounts, $2 is the time, $3 the address pattern of new accounts. */
const picture = `select json_build_object(
  'waiting', ${rowsOf(`select kind, attempts, last_error as error,
      case when leased_until is null then extract(epoch from next_at - $2)::float * 1000 end as pause
    from outbox where delivered_at is null and failed_at is null`)},
  'accounts', ${rowsOf(`select a.id, a.tenant_id as tenant, a.email as address, a.email_verified as verified,
      a.disabled_at is not null as disabled, md5(p.hash || p.one_time::text) as password
    from accounts a left join passwords p on p.tenant_id = a.tenant_id and p.account_id = a.id
    where a.id in ${ours}`)},
  'sessions', ${rowsOf(`select uid, tenant_id as tenant, account_id as account, handle_hash as handle,
      extract(epoch from login_at)::float as at, acr, extract(epoch from expires_at)::float as expires
    from sessions where account_id in ${ours} and ended_at is null and expires_at > $2 order by created_at, login_at`)},
  'factors', ${rowsOf(`select id, account_id as account, last_step as step, md5(sealed) as sealed
    from second_factors where account_id in ${ours}`)},
  'passkeys', ${rowsOf(`select id, account_id as account, credential_id as credential, md5(public_key) as key,
      counter::float as counter, extract(epoch from last_used_at)::float as used from passkeys where account_id in ${ours}`)},
  'codes', ${rowsOf(`select account_id as account, mac, used_at is not null as used
    from recovery_codes where account_id in ${ours}`)},
  'tokens', ${rowsOf(`select account_id as account, purpose, id, hash, email, used_at is not null as used,
      extract(epoch from expires_at)::float as expires
    from action_tokens where account_id in ${ours} and expires_at > $2`)}) as seen`

interface Waiting {
  kind: string
  attempts: number
  error: string | null
  /** Milliseconds until the next attempt; null while one is under way. */
  pause: number | null
}

/** Reads the state once all mail is delivered; moves the time on for mail that is retried later. */
export function observe({ database }: Core, accounts: string[], newcomers = ''): Promise<Seen> {
  const look = async () => {
    const [row] = await database.query<{ seen: Seen & { waiting: Waiting[] } }>(picture, [
      accounts,
      new Date(),
      newcomers,
    ])
    const { waiting = [], ...seen } = row?.seen ?? {}
    if (waiting.length === 0) return seen as Seen
    const pauses = waiting.map(({ pause }) => pause ?? 0)
    travel(Math.max(0, ...pauses) / 1000)
    throw new Error(`not yet delivered: ${JSON.stringify(waiting)}`)
  }
  return eventually('all mail is delivered', look, { every: 3, within: 60_000 })
}

/** A difference between two states. */
export type Change =
  | { kind: 'password' | 'disabled'; account: string }
  | { kind: 'account made'; account: string; tenant: string; to: string }
  | { kind: 'address'; account: string; to: string }
  | { kind: 'verified' | 'unverified'; account: string }
  | { kind: 'app added' | 'app removed' | 'app altered'; account: string; factor: string }
  | { kind: 'app code spent'; account: string; factor: string; step: number }
  | PasskeyChange
  | { kind: 'passkey removed' | 'passkey altered'; account: string; factor: string }
  | { kind: 'recovery code spent' | 'recovery code revived'; account: string; mac: string }
  | { kind: 'recovery codes replaced'; account: string }
  | {
      kind: 'link made' | 'link used' | 'link void'
      account: string
      purpose: Purpose
      email: string
    }
  | SessionChange

interface PasskeyChange {
  kind: 'passkey added' | 'passkey used'
  account: string
  factor: string
  credential: string
  counter: number
}

export interface SessionChange {
  kind: 'session opened' | 'session ended' | 'session moved'
  account: string
  session: SeenSession
}

export function changesBetween(before: Seen, after: Seen, now: number): Change[] {
  return [
    ...accountChanges(before, after),
    ...factorChanges(before, after),
    ...passkeyChanges(before, after),
    ...codeChanges(before, after),
    ...linkChanges(before, after, now),
    ...sessionChanges(before, after, now),
  ]
}

function accountChanges(before: Seen, after: Seen): Change[] {
  const made = after.accounts.filter((is) => !before.accounts.some(({ id }) => id === is.id))
  const others = before.accounts.flatMap((was): Change[] => {
    const account = was.id
    const is = after.accounts.find(({ id }) => id === account)
    if (!is) return [{ kind: 'disabled', account }]
    const changes: Change[] = []
    if (is.disabled !== was.disabled) changes.push({ kind: 'disabled', account })
    if (is.password !== was.password) changes.push({ kind: 'password', account })
    if (is.address !== was.address) changes.push({ kind: 'address', account, to: is.address })
    if (is.verified !== was.verified) {
      changes.push({ kind: is.verified ? 'verified' : 'unverified', account })
    }
    return changes
  })
  return [
    ...made.map(
      ({ id, tenant, address }): Change => ({
        kind: 'account made',
        account: id,
        tenant,
        to: address,
      }),
    ),
    ...others,
  ]
}

function factorChanges(before: Seen, after: Seen): Change[] {
  const added = after.factors.filter((is) => !before.factors.some(({ id }) => id === is.id))
  return [
    ...added.map(({ account, id }): Change => ({ kind: 'app added', account, factor: id })),
    ...before.factors.flatMap((was): Change[] => {
      const { account, id: factor } = was
      const is = after.factors.find(({ id }) => id === factor)
      if (!is) return [{ kind: 'app removed', account, factor }]
      if (is.account !== account || is.sealed !== was.sealed || is.step < was.step) {
        return [{ kind: 'app altered', account, factor }]
      }
      return is.step > was.step ? [{ kind: 'app code spent', account, factor, step: is.step }] : []
    }),
  ]
}

function passkeyChanges(before: Seen, after: Seen): Change[] {
  const added = after.passkeys.filter((is) => !before.passkeys.some(({ id }) => id === is.id))
  const about = ({ id: factor, account, credential, counter }: SeenPasskey) => ({
    ...{ factor, account, credential, counter },
  })
  return [
    ...added.map((is): Change => ({ kind: 'passkey added', ...about(is) })),
    ...before.passkeys.flatMap((was): Change[] => {
      const { account, id: factor, key, credential } = was
      const is = after.passkeys.find(({ id }) => id === factor)
      if (!is) return [{ kind: 'passkey removed', account, factor }]
      const isSame = is.account === account && is.key === key && is.credential === credential
      if (!isSame || is.counter < was.counter) return [{ kind: 'passkey altered', account, factor }]
      return is.counter > was.counter || is.used !== was.used
        ? [{ kind: 'passkey used', ...about(is) }]
        : []
    }),
  ]
}

function codeChanges(before: Seen, after: Seen): Change[] {
  const replaced = new Set<string>()
  const changes: Change[] = []
  for (const was of before.codes) {
    const { account, mac } = was
    const is = after.codes.find((code) => code.account === account && code.mac === mac)
    if (!is) replaced.add(account)
    else if (is.used && !was.used) changes.push({ kind: 'recovery code spent', account, mac })
    else if (!is.used && was.used) changes.push({ kind: 'recovery code revived', account, mac })
  }
  for (const { account, mac } of after.codes) {
    if (!before.codes.some((was) => was.account === account && was.mac === mac)) {
      replaced.add(account)
    }
  }
  const all = [...replaced].map((account): Change => ({ kind: 'recovery codes replaced', account }))
  return [...changes, ...all]
}

function linkChanges(before: Seen, after: Seen, now: number): Change[] {
  const same = (one: SeenToken) => (other: SeenToken) =>
    one.account === other.account && one.purpose === other.purpose
  return [
    ...after.tokens.flatMap((is): Change[] => {
      const was = before.tokens.find(same(is))
      const { account, purpose, email } = is
      if (was?.id !== is.id) return [{ kind: 'link made', account, purpose, email }]
      if (is.used && !was.used) return [{ kind: 'link used', account, purpose, email }]
      return was.used && !is.used ? [{ kind: 'link made', account, purpose, email }] : []
    }),
    ...before.tokens
      .filter((was) => !was.used && was.expires > now && !after.tokens.some(same(was)))
      .map(
        ({ account, purpose, email }): Change => ({ kind: 'link void', account, purpose, email }),
      ),
  ]
}

function sessionChanges(before: Seen, after: Seen, now: number): Change[] {
  const changes: Change[] = []
  for (const session of after.sessions) {
    const was = before.sessions.find(({ uid }) => uid === session.uid)
    const { account } = session
    const isNew = was?.account !== account || was.at !== session.at || was.acr !== session.acr
    if (isNew) changes.push({ kind: 'session opened', account, session })
    else if (was.handle !== session.handle)
      changes.push({ kind: 'session moved', account, session })
  }
  for (const session of before.sessions) {
    const is = after.sessions.find(({ uid }) => uid === session.uid)
    if (is?.account === session.account || session.expires <= now) continue
    changes.push({ kind: 'session ended', account: session.account, session })
  }
  return changes
}
