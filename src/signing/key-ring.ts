import { DomainError, isDomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import type { Notifications } from '../storage/notifications.ts'
import { oneAtATime } from '../storage/one-at-a-time.ts'
import type { Poll, Question } from '../storage/poll.ts'
import { type KeySet, keySetAt, maySign, type OpenSigningKey } from './key-set.ts'
import type { PrivateKey, Signer } from './signer.ts'
import {
  changedKeys,
  type createSigningKeyStore,
  described,
  type StoredSigningKey,
  signingKeysChannel,
} from './signing-key.store.ts'
import { nextChange, signingAt, stateOf } from './signing-key.ts'

/**
 * The keys of the tenants that this process serves, in memory. Row changes arrive by notification and by a poll.
 * Changes that depend on the clock alone happen on time, as each set is computed for the current time. Whether a key
 * may sign is checked at each signature, as its holder may have had it for long.
 */
export interface KeyRing {
  /** The current keys. Asks the database only for a tenant that is not in memory. */
  of(tenant: string): Promise<KeySet>
  /** The same without waiting; undefined for a tenant that is not in memory. */
  known(tenant: string): KeySet | undefined
  /** Reads the keys of a tenant again, after this process changed them. */
  reload(tenant: string): Promise<void>
  /** Why the keys in memory may be out of date; undefined when they are not. */
  staleness(): string | undefined
  /** @throws DomainError `signing_keys_stale` when there is such a reason */
  assertFresh(): void
  /** Whether any signing key is outside of the database. */
  needsToken(): boolean
  start(): void
  stop(): void
}

/** Milliseconds that a poll looks back: a transaction may commit so long after it wrote. */
const overlap = 600_000

interface Known {
  keys: OpenSigningKey[]
  changedAt: number
  order: number
  current?: { set: KeySet; from: number; until: number }
}

export interface KeyRingDependencies extends Pick<Platform, 'clock' | 'log'> {
  store: ReturnType<typeof createSigningKeyStore>
  signer: Signer
  notifications: Notifications
  poll: Poll
  /** Seconds. */
  maxStaleness: number
}

export function createKeyRing(deps: KeyRingDependencies): KeyRing {
  const { store, clock, log, signer, notifications, poll } = deps
  const tenants = new Map<string, Known>()
  /** Now by Postgres's clock, by a monotonic one, and how often the former has jumped. */
  const moment = () => ({
    at: clock.now(),
    monotonic: performance.now(),
    steps: clock.steps,
  })
  let heard = moment()
  let loads = 0
  let leave: (() => void) | undefined

  /** @param through the connection to read with */
  async function load(tenant: string, through?: Notifications): Promise<Known> {
    const order = ++loads
    const rows = await store.list(tenant, through)
    const before = new Map(tenants.get(tenant)?.keys.map((key) => [key.kid, key]))
    const needed = rows.filter((row) => !isOver(row, clock.now()))
    const keys = await Promise.all(
      needed.map(async (row) => {
        const known = before.get(row.kid)
        if (known) return { ...known, ...described(row) }
        const opened = await signer.open(tenant, row)
        return { ...described(row), ...opened, sign: watched(tenant, row.kid, opened) }
      }),
    )
    const known = tenants.get(tenant)
    // A slower, older read must not overwrite a newer one.
    if (known && known.order > order) return known
    const changedAt = Math.max(0, ...rows.map((row) => row.changedAt))
    const fresh = { keys, changedAt, order }
    tenants.set(tenant, fresh)
    return fresh
  }

  function staleness(): string | undefined {
    if (!leave) return undefined
    // What a key may do depends on the time, and after a suspension changes may have been missed.
    if (clock.steps !== heard.steps)
      return 'the clock was changed and has not been compared with Postgres yet'
    const age = performance.now() - heard.monotonic
    if (age <= deps.maxStaleness * 1000) return undefined
    return `no news from Postgres about the keys for ${Math.round(age)} ms, expected at most ${deps.maxStaleness} s`
  }

  function assertFresh(): void {
    const detail = staleness()
    if (detail !== undefined) throw new DomainError('signing_keys_stale', { detail })
  }

  function assertSigns(tenant: string, kid: string): void {
    assertFresh()
    const key = tenants.get(tenant)?.keys.find((each) => each.kid === kid)
    if (key && maySign(key, clock.now())) return
    const state = key ? stateOf(key, clock.now()) : 'revoked or removed'
    const isEarly = state === 'pending' || state === 'unpublished'
    throw new DomainError(isEarly ? 'signing_key_pending' : 'signing_key_ended', {
      detail: { tenant, kid, alg: key?.alg, state },
    })
  }

  function watched(tenant: string, kid: string, key: PrivateKey): PrivateKey['sign'] {
    return async (data) => {
      assertSigns(tenant, kid)
      const signature = await key.sign(data)
      // A PKCS#11 token may take its time.
      assertSigns(tenant, kid)
      return signature
    }
  }

  /** The answer of the last poll, and when it was asked. */
  let latest: { told: string | null; changes: Map<string, number>; asked: typeof heard } = {
    told: null,
    changes: new Map(),
    asked: heard,
  }

  async function takeUp(): Promise<void> {
    const { changes, asked } = latest
    for (const [tenant, known] of tenants) {
      if ((changes.get(tenant) ?? 0) <= known.changedAt) continue
      await load(tenant, notifications).catch((error: unknown) => {
        if (!isDomainError(error, 'key_encryption_key_invalid')) throw error
        // Only this tenant is refused from now on.
        log.error(
          { err: error, tenant },
          'signing keys cannot be decrypted: requests to this tenant fail',
        )
        tenants.delete(tenant)
      })
    }
    heard = asked
  }
  const takeUpInTurn = oneAtATime(takeUp)

  const question: Question = {
    channel: signingKeysChannel,
    sql: changedKeys,
    parameters: () => [new Date(heard.at - overlap).toISOString()],
    heard(told, asked) {
      const changes =
        told === latest.told
          ? latest.changes
          : new Map(Object.entries(JSON.parse(told ?? '{}') as Record<string, number>))
      latest = { told, changes, asked }
      takeUpInTurn().catch((error: Error) =>
        log.warn({ err: error }, 'could not load changed signing keys'),
      )
    },
  }

  function setOf(known: Known): KeySet {
    const now = clock.now()
    const { current } = known
    if (current && current.from <= now && now < current.until) return current.set
    const set = keySetAt(known.keys, now)
    known.current = { set, from: now, until: nextChange(known.keys, now) }
    return set
  }

  return {
    of: async (tenant) => setOf(tenants.get(tenant) ?? (await load(tenant))),
    known(tenant) {
      const known = tenants.get(tenant)
      return known && setOf(known)
    },
    reload: async (tenant) => void (await load(tenant)),
    staleness,
    assertFresh,
    needsToken: () =>
      [...tenants.values()].some(({ keys }) =>
        signingAt(keys, clock.now()).some(({ isHeld }) => isHeld),
      ),
    start() {
      if (leave) return
      heard = moment()
      leave = poll.join(question)
    },
    stop() {
      leave?.()
      leave = undefined
    },
  }
}

/** Whether the key is needed neither now nor later. */
function isOver(key: StoredSigningKey, now: number): boolean {
  const state = stateOf(key, now)
  return state === 'removed' || state === 'revoked' || key.sealed === ''
}
