import { setBounded } from '../bounded-map.ts'
import type { Clock } from '../clock.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { localBuckets } from '../storage/buckets.local.ts'
import type { BucketKey, Buckets } from '../storage/buckets.ts'
import { type LimitName, limits } from './limits.ts'

/**
 * Rate limits. They keep load away and slow guessing down, but guarantee nothing, as they are lifted when Redis loses
 * its data. Limits that must hold are in lockouts/ and attempts/.
 */
export interface Limiter {
  /**
   * Takes all shares, or none.
   * @throws DomainError `too_many_requests` with the seconds to wait
   */
  take(tenant: string, ...shares: Share[]): Promise<void>
  /** The same for work that is skipped silently when limited. @returns whether it was taken */
  took(tenant: string, share: Share): Promise<boolean>
  /** Returns shares that need not count after all. Never throws, so that it hides no earlier error. */
  giveBack(tenant: string, ...shares: Share[]): Promise<void>
  /** Counts events after the fact; refuses nothing. */
  note(tenant: string, ...shares: Share[]): Promise<void>
  /**
   * Refuses when a limit is known in this process to be used up, without asking Redis: for endpoints where nobody may
   * wait for it. Other processes learn of it with the first failure that they see themselves.
   * @throws DomainError `too_many_requests`
   */
  assertLeft(tenant: string, ...shares: Share[]): void
  /** Whether this process has noted such an event recently, or knows the limit to be used up. */
  hasNoted(tenant: string, share: Share): boolean
}

export interface Share {
  limit: LimitName
  /** Whom the limit is for: a network, a client. */
  subject: string
  /** 1 by default. */
  cost?: number
}

interface Dependencies extends Pick<Platform, 'clock' | 'log' | 'counters' | 'sealer'> {
  /** Shared by all processes; undefined without Redis. */
  shared: Buckets | undefined
  /** `RATE_LIMITS` */
  on: boolean
}

const mostRemembered = 50_000
/** Seconds between two identical log lines. */
const repeatAfter = 10

export function createLimiter(deps: Dependencies): Limiter {
  const { clock, log, counters, sealer, shared, on } = deps
  const local = localBuckets(clock)
  /** Until when a limit is used up, and until when an event counts as noted. */
  const spent = createMemory(clock)
  const noted = createMemory(clock)
  let saidAt = 0

  const keyOf = (tenant: string, { limit, subject }: Share): BucketKey => ({
    tenant,
    name: limit,
    subject: sealer.mac(`limit:${limit}`, `${tenant} ${subject}`),
  })
  const bucketOf = ({ limit, cost = 1 }: Share) => {
    const { most, window } = limits[limit]
    return { most, window, cost: Math.min(cost, most) }
  }

  /** While Redis is unreachable each process counts on its own: it refuses too little, but nothing wrongly. */
  async function ask<T>(work: (buckets: Buckets) => Promise<T>): Promise<T> {
    if (!shared) return work(local)
    try {
      return await work(shared)
    } catch (error) {
      counters.count('limits_local')
      if (clock.now() - saidAt > repeatAfter * 1000) {
        saidAt = clock.now()
        log.warn(
          { err: error },
          'rate limits are counted per process because Redis does not answer',
        )
      }
      return work(local)
    }
  }

  async function takeOne(tenant: string, share: Share): Promise<number> {
    const key = keyOf(tenant, share)
    const known = spent.left(key.subject)
    if (known > 0) return known
    const wait = await ask((buckets) => buckets.take(key, bucketOf(share)))
    if (wait > 0) spent.keep(key.subject, wait)
    return wait
  }

  async function giveBack(tenant: string, ...shares: Share[]): Promise<void> {
    if (!on) return
    for (const share of shares) {
      const key = keyOf(tenant, share)
      spent.drop(key.subject)
      await ask((buckets) => buckets.giveBack(key, bucketOf(share)))
    }
  }

  function refusal(share: Share, wait: number): DomainError {
    counters.count('rate_limited')
    return new DomainError('too_many_requests', {
      retryAfter: Math.ceil(wait / 1000),
      detail: { limit: share.limit, ...limits[share.limit] },
    })
  }

  async function take(tenant: string, ...shares: Share[]): Promise<void> {
    if (!on) return
    for (const [index, share] of shares.entries()) {
      const wait = await takeOne(tenant, share)
      if (wait === 0) continue
      await giveBack(tenant, ...shares.slice(0, index))
      throw refusal(share, wait)
    }
  }

  return {
    take,
    async took(tenant, share) {
      try {
        await take(tenant, share)
        return true
      } catch (error) {
        if (isDomainError(error, 'too_many_requests')) return false
        throw error
      }
    },
    giveBack,
    async note(tenant, ...shares) {
      if (!on) return
      for (const share of shares) {
        noted.keep(keyOf(tenant, share).subject, limits[share.limit].window * 1000)
        await takeOne(tenant, share)
      }
    },
    assertLeft(tenant, ...shares) {
      if (!on || spent.isEmpty()) return
      for (const share of shares) {
        const wait = spent.left(keyOf(tenant, share).subject)
        if (wait > 0) throw refusal(share, wait)
      }
    },
    hasNoted(tenant, share) {
      if (!on || (noted.isEmpty() && spent.isEmpty())) return false
      const { subject } = keyOf(tenant, share)
      return noted.left(subject) > 0 || spent.left(subject) > 0
    },
  }
}

/** Facts that hold for a while, by subject; bounded. */
function createMemory(clock: Clock) {
  const until = new Map<string, number>()
  return {
    keep(subject: string, milliseconds: number): void {
      setBounded(until, subject, clock.now() + milliseconds, mostRemembered)
    },
    /** Milliseconds left; 0 when it is over. */
    left(subject: string): number {
      const at = until.get(subject)
      if (at === undefined) return 0
      const left = at - clock.now()
      if (left <= 0) until.delete(subject)
      return Math.max(left, 0)
    },
    drop: (subject: string) => void until.delete(subject),
    isEmpty: () => until.size === 0,
  }
}
