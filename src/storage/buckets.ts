/**
 * The seam for the buckets of rate limits. They may vanish at any moment, which opens them; what must hold whatever
 * happens to Redis is counted in Postgres (attempts, lockouts).
 */
export interface Buckets {
  /**
   * Takes from a bucket if there is enough in it, in one step.
   * @returns 0, or the milliseconds until there will be enough; then nothing was taken
   */
  take(key: BucketKey, bucket: Bucket): Promise<number>
  giveBack(key: BucketKey, bucket: Bucket): Promise<void>
}

export interface BucketKey {
  tenant: string
  name: string
  /** No address and no name of anybody: what a stranger may read in Redis. */
  subject: string
}

/** A bucket that fills steadily (the generic cell rate algorithm: all that is kept is when it will be full again). */
export interface Bucket {
  /** What a full one holds. */
  most: number
  /** Seconds in which an empty one fills. */
  window: number
  /** What is taken at once, at most `most`. */
  cost: number
}

/** The time that one taking is worth, and that a full bucket is worth; in milliseconds. */
export function spansOf({ most, window, cost }: Bucket): { step: number; whole: number } {
  return { step: Math.ceil((window * 1000 * cost) / most), whole: window * 1000 }
}
