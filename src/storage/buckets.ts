/**
 * The interface to the token buckets of rate limits. A bucket may vanish at any moment, which lifts the limit. Limits
 * that must hold even without Redis are counted in Postgres (src/attempts, src/lockouts).
 */
export interface Buckets {
  /**
   * Takes `cost` from a bucket, atomically, if it holds that much.
   * @returns 0 when taken; otherwise nothing was taken, and the result is the milliseconds until the bucket holds
   *   enough
   */
  take(key: BucketKey, bucket: Bucket): Promise<number>
  giveBack(key: BucketKey, bucket: Bucket): Promise<void>
}

export interface BucketKey {
  tenant: string
  name: string
  /** Never an e-mail address, IP address or name in the clear: Redis keys may be read by others. */
  subject: string
}

/**
 * A bucket that refills at a constant rate. Implemented as GCRA (generic cell rate algorithm): the only state is the
 * time at which the bucket will be full again.
 */
export interface Bucket {
  /** Capacity. */
  most: number
  /** Seconds in which an empty bucket refills. */
  window: number
  /** Units that one call takes, at most `most`. */
  cost: number
}

/** Milliseconds of refill that one call costs (`step`) and that a full bucket is worth (`whole`). */
export function spansOf({ most, window, cost }: Bucket): { step: number; whole: number } {
  return { step: Math.ceil((window * 1000 * cost) / most), whole: window * 1000 }
}
