/**
 * The interface to short-lived artifacts: data that may vanish at any moment, at the cost of a repeated step for its
 * owner (architecture §1, §4). Data whose loss or reappearance would grant something must not be stored here.
 */
export interface ShortLived {
  /** The value; undefined when there is none or it has expired. */
  get(key: ShortLivedKey): Promise<unknown>
  /** @param ttl seconds, positive; every value expires */
  put(key: ShortLivedKey, value: unknown, ttl: number): Promise<void>
  /** Overwrites an existing value. @returns false when there is none @param ttl as for `put` */
  replace(key: ShortLivedKey, value: unknown, ttl: number): Promise<boolean>
  /** Reads and deletes the value, atomically: of concurrent calls exactly one gets it. */
  take(key: ShortLivedKey): Promise<unknown>
  delete(key: ShortLivedKey): Promise<void>
  /** @throws Error when the store does not answer, or does not accept writes */
  ping(): Promise<void>
  /** Deletes expired values where the store does not do so itself. @returns how many */
  sweep(): Promise<number>
  close(): Promise<void>
}

export interface ShortLivedKey {
  tenant: string
  /** The kind of artifact; one kind can never be read as another (security class C3). */
  model: string
  id: string
}
