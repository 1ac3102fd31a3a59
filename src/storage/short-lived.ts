/**
 * The seam for short-lived artifacts: what may vanish at any moment and costs its owner only a repeated step
 * (architecture §1, §4). Nothing whose loss or return would grant something may be put here.
 */
export interface ShortLived {
  /** The value, or undefined when there is none or its time is over. */
  get(key: ShortLivedKey): Promise<unknown>
  /** @param ttl seconds, positive; there is no value without an end */
  put(key: ShortLivedKey, value: unknown, ttl: number): Promise<void>
  /** Writes over a value that is there; false when there is none. @param ttl as for `put` */
  replace(key: ShortLivedKey, value: unknown, ttl: number): Promise<boolean>
  /** The value, which is gone with it: of several that take it at the same moment, one gets it. */
  take(key: ShortLivedKey): Promise<unknown>
  delete(key: ShortLivedKey): Promise<void>
  /** @throws when the store does not answer, or keeps nothing */
  ping(): Promise<void>
  /** Removes what has expired where the store does not do so itself; returns how many. */
  sweep(): Promise<number>
  close(): Promise<void>
}

export interface ShortLivedKey {
  tenant: string
  /** The kind of thing: one kind can never be read as another (security class C3). */
  model: string
  id: string
}
