import { setTimeout as pause } from 'node:timers/promises'
import type { Audit } from '../audit/audit.ts'
import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import type { Notifications } from '../storage/notifications.ts'
import type { Poll } from '../storage/poll.ts'
import { signedJwt } from './jwt.ts'
import { createKeyClaims } from './key-claims.ts'
import { createKeyRing } from './key-ring.ts'
import { type KeySet, keySetAt } from './key-set.ts'
import { createKeyWatch, type KeyAlarms } from './key-watch.ts'
import { createPrivateKeys } from './private-keys.ts'
import {
  firstKey,
  promotion,
  type Schedule,
  spreadOf,
  spreadUpTo,
  succession,
  successorDueAt,
} from './schedule.ts'
import type { MadeKey, Signer } from './signer.ts'
import { createSigningKeyStore, described, type StoredSigningKey } from './signing-key.store.ts'
import { inUse, requiredAlgs, type SigningAlg, type SigningKey, stateOf } from './signing-key.ts'

export interface SigningKeys {
  /**
   * Makes sure that there is one key for each algorithm, even when several nodes start at once. The first keys
   * of a tenant sign at once, as nobody can have fetched its key set. The first key of a later algorithm is published
   * before it signs, like any other.
   * @returns whether one was created
   */
  ensure(tenant: string, algs: SigningAlg[]): Promise<boolean>
  /** The current keys, from memory: the same object until something changes. */
  current(tenant: string): Promise<KeySet>
  /** The same without waiting; undefined for a tenant that is not in memory. */
  known(tenant: string): KeySet | undefined
  /** @throws DomainError `signing_keys_stale` when the keys in memory may be out of date */
  assertFresh(): void
  /**
   * Signs a JWT of our own with the active key.
   * @param typ `logout+jwt` and the like
   * @throws DomainError `signing_keys_stale`, `signing_key_pending`, `signing_key_ended`
   */
  sign(
    tenant: string,
    alg: SigningAlg,
    typ: string,
    claims: Record<string, unknown>,
  ): Promise<string>
  /**
   * Publishes a successor of the active key, unless one is pending.
   * @returns undefined if the tenant has no such key
   */
  rotate(tenant: string, alg: SigningAlg): Promise<Rotation | undefined>
  /** Rotates every key, of any tenant, whose successor is due. @returns how many */
  rotateDue(): Promise<number>
  /** Updates `alarms`. Waits only for Postgres, however long a rotation takes. */
  look(): Promise<void>
  /**
   * Makes sure that new keys can be made and that the keys outside of the database are there.
   * @throws DomainError `signing_unavailable`
   */
  check(): Promise<void>
  /** What the last look found. */
  alarms(): KeyAlarms
  /** Why the keys in memory may be out of date; undefined when they are not. */
  staleness(): string | undefined
  /** The PKCS#11 token, where there is one. */
  token?: SigningToken
  /** Deletes private keys that are over, and later their rows. @returns how many */
  sweep(): Promise<number>
  /**
   * Revokes a key at once. If it was active, a replacement signs at once: its published successor, or a new key.
   * @throws DomainError `signing_key_not_found`
   */
  revoke(tenant: string, kid: string): Promise<Revocation>
  /** All keys that have rows, including those that are over. */
  list(tenant: string): Promise<SigningKey[]>
  /** Like `current`, but read from Postgres, in the transaction of this context. */
  open(tenant: string): Promise<KeySet>
  /** Listens for changes until `stop`. */
  start(): void
  stop(): void
}

export interface SigningToken {
  /** @throws DomainError `signing_unavailable` when it does not answer */
  ping(): Promise<void>
  /** Whether keys that sign are in it. */
  isNeeded(): boolean
}

export interface Rotation {
  outcome: 'published' | 'pending'
  /** The one that will sign. */
  next: SigningKey
}

export interface Revocation {
  /** False when it was over already. */
  changed: boolean
  revoked: SigningKey
  /** The key that replaces it, and whether verifiers had time to fetch it (`promoted`). */
  replacement?: { key: SigningKey; kind: 'promoted' | 'new' }
}

export interface SigningKeysDependencies
  extends Pick<Platform, 'database' | 'clock' | 'log' | 'counters'> {
  audit: Audit
  signer: Signer
  notifications: Notifications
  poll: Poll
  schedule: Schedule
  /** Seconds. */
  maxStaleness: number
}

/** Milliseconds between two looks for a key that another process makes. */
const awaitEvery = 100

export function createSigningKeys(deps: SigningKeysDependencies): SigningKeys {
  const { database, clock, log, audit, signer, schedule } = deps
  const store = createSigningKeyStore(deps)
  const ring = createKeyRing({ ...deps, store })
  const watch = createKeyWatch(deps)
  const claims = createKeyClaims(deps)
  const privateKeys = createPrivateKeys({ ...deps, store })

  /** Changes keys: one node at a time, after which this process reloads them. */
  async function change<T>(tenant: string, work: () => Promise<T>): Promise<T> {
    const result = await database.transaction(async () => {
      await store.lock(tenant)
      return work()
    })
    await database.afterCommit(() => ring.reload(tenant))
    return result
  }

  /** The same with keys that were made for it: those that got no row are destroyed. */
  async function changeWith<T>(
    tenant: string,
    made: MadeKey[],
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await change(tenant, work)
    } finally {
      await privateKeys.discardUnkept(tenant, made)
    }
  }

  async function missing(tenant: string, algs: SigningAlg[]): Promise<SigningAlg[]> {
    const there = (await store.list(tenant)).filter(({ retireAt }) => retireAt === undefined)
    return [...new Set(algs)].filter((alg) => !there.some((key) => key.alg === alg))
  }

  async function ensure(tenant: string, algs: SigningAlg[]): Promise<boolean> {
    let created = false
    for (;;) {
      // A new tenant gets all its required keys here, whatever caused the call.
      const isNew = (await store.list(tenant)).length === 0
      const wanted = await missing(tenant, isNew ? [...requiredAlgs, ...algs] : algs)
      const [claimed] = wanted
      if (claimed === undefined) return created
      const outcome = await claims.whileHeld(tenant, claimed, () => makeFirst(tenant, wanted))
      created ||= outcome === true
      if (outcome === undefined) await pause(awaitEvery)
    }
  }

  /** All in one transaction: the first key set fetched of a new tenant has every key that signs at once. */
  async function makeFirst(tenant: string, algs: SigningAlg[]): Promise<boolean> {
    const wanted = await missing(tenant, algs)
    if (wanted.length === 0) return false
    const made = await Promise.all(wanted.map((alg) => privateKeys.generate(tenant, alg)))
    return changeWith(tenant, made, async () => {
      const still = await missing(tenant, wanted)
      const now = clock.now()
      const isNew = (await store.list(tenant)).length === 0
      const times = isNew ? firstKey(now) : succession(now, schedule).successor
      for (const key of made.filter(({ alg }) => still.includes(alg))) {
        await privateKeys.insert(tenant, key, times)
      }
      return still.length > 0
    })
  }

  async function lastOf(tenant: string, alg: SigningAlg): Promise<StoredSigningKey | undefined> {
    const keys = await store.list(tenant)
    return keys.find((key) => key.alg === alg && key.retireAt === undefined)
  }

  async function rotate(tenant: string, alg: SigningAlg): Promise<Rotation | undefined> {
    const before = await lastOf(tenant, alg)
    if (!before) return undefined
    if (stateOf(before, clock.now()) !== 'active') return { outcome: 'pending', next: before }
    // Made before a connection is taken: a large RSA key takes seconds.
    const made = await privateKeys.generate(tenant, alg)
    return changeWith(tenant, [made], async () => {
      const last = await lastOf(tenant, alg)
      if (!last || last.kid !== before.kid) {
        return last && { outcome: 'pending' as const, next: last }
      }
      const { successor, predecessor } = succession(clock.now(), schedule)
      await store.setTimes(tenant, last.kid, predecessor)
      const next = await privateKeys.insert(tenant, made, successor)
      await record(tenant, 'signing_key.published', made.kid, alg)
      return { outcome: 'published' as const, next }
    })
  }

  /** Replaces a key that stopped signing. @param spare made before a connection was taken */
  async function replace(
    tenant: string,
    { alg, kid }: SigningKey,
    spare: MadeKey | undefined,
  ): Promise<NonNullable<Revocation['replacement']>> {
    const now = clock.now()
    const successor = await lastOf(tenant, alg)
    if (successor) {
      const activateAt = promotion(successor, now)
      await store.setTimes(tenant, successor.kid, { activateAt })
      return { key: { ...successor, activateAt }, kind: 'promoted' }
    }
    const made = spare ?? (await privateKeys.generate(tenant, alg))
    const key = await privateKeys.insert(tenant, made, firstKey(now))
    await record(tenant, 'signing_key.published', key.kid, alg, { replaces: kid })
    return { key, kind: 'new' }
  }

  async function revoke(tenant: string, kid: string): Promise<Revocation> {
    const last = (await store.list(tenant)).find((key) => key.kid === kid && !key.retireAt)
    const isAlone = last && stateOf(last, clock.now()) === 'active'
    const spare = isAlone ? await privateKeys.generate(tenant, last.alg) : undefined
    const revocation = await changeWith(tenant, spare ? [spare] : [], async () => {
      const now = clock.now()
      const keys = await store.list(tenant)
      const key = keys.find((each) => each.kid === kid)
      if (!key) throw new DomainError('signing_key_not_found', { detail: { kid, tenant } })
      const state = stateOf(key, now)
      if (state === 'revoked' || state === 'removed') return { changed: false, revoked: key }
      await store.revoke(tenant, kid)
      await record(tenant, 'signing_key.revoked', kid, key.alg, { state })
      const revoked = { ...key, revokedAt: now }
      if (state === 'active') {
        return { changed: true, revoked, replacement: await replace(tenant, key, spare) }
      }
      // The predecessor has no successor now: it continues to sign until another one is made.
      if (state === 'pending' || state === 'unpublished') {
        const before = keys.find((each) => each.alg === key.alg && each.retireAt === key.activateAt)
        if (before) await store.setTimes(tenant, before.kid, { retireAt: null, removeAt: null })
      }
      return { changed: true, revoked }
    })
    // The revoked key may have been the first of its algorithm.
    if (revocation.changed) await ensure(tenant, [revocation.revoked.alg])
    if (!database.current()?.isOpen()) await privateKeys.destroyOver()
    return revocation
  }

  function record(
    tenant: string,
    type: 'signing_key.published' | 'signing_key.revoked',
    kid: string,
    alg: SigningAlg,
    more: Record<string, string> = {},
  ): Promise<void> {
    log.info({ tenant, kid, alg, ...more }, type)
    return audit.record(tenant, { type, detail: { kid, alg, ...more } })
  }

  /** The keys whose successor is due, in a random order, so that nodes do not follow each other. */
  async function due(now: number): Promise<{ tenant: string; alg: SigningAlg }[]> {
    // The earliest time that one can be due, by which Postgres leaves out the rest.
    const soonest = successorDueAt({ activateAt: 0 }, schedule) - spreadUpTo(schedule)
    const keys = await store.withoutEnd(now - soonest)
    const isDue = (key: (typeof keys)[number]) =>
      successorDueAt(key, schedule) - spreadOf(key, schedule) <= now
    return shuffled(keys.filter(isDue))
  }

  return {
    ensure,
    current: ring.of,
    known: ring.known,
    assertFresh: ring.assertFresh,
    async sign(tenant, alg, typ, payload) {
      ring.assertFresh()
      const { signing, published } = await ring.of(tenant)
      // The first key of an algorithm refuses before its time.
      const key = [...signing, ...published].find((each) => each.alg === alg)
      if (!key) throw new Error(`tenant ${tenant} has no key for ${alg}`)
      return signedJwt(key, typ, payload)
    },
    rotate,
    async rotateDue() {
      const now = clock.now()
      const candidates = await due(now)
      let count = 0
      for (const { tenant, alg } of candidates) {
        // A failure must not keep the other keys from being rotated.
        const rotation = await claims
          .whileHeld(tenant, alg, () => rotate(tenant, alg))
          .catch((error: Error) => {
            log.error(
              { err: error, tenant, alg },
              'could not rotate a signing key; it is tried again',
            )
            return undefined
          })
        if (rotation?.outcome === 'published') count++
      }
      return count
    },
    async look() {
      const now = clock.now()
      watch.look(await store.withoutEnd(now - successorDueAt({ activateAt: 0 }, schedule)), now)
    },
    check: async () => signer.check(await store.held()),
    alarms: watch.alarms,
    staleness: ring.staleness,
    ...(signer.ping ? { token: { ping: signer.ping, isNeeded: ring.needsToken } } : {}),
    sweep: async () => (await privateKeys.destroyOver()) + (await store.sweep()),
    revoke,
    list: async (tenant) => (await store.list(tenant)).map(described),
    async open(tenant) {
      const now = clock.now()
      const keys = inUse(await store.list(tenant), now).map(async (row) => ({
        ...described(row),
        ...(await signer.open(tenant, row)),
      }))
      return keySetAt(await Promise.all(keys), now)
    },
    start: ring.start,
    stop: ring.stop,
  }
}

function shuffled<Item>(items: Item[]): Item[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
