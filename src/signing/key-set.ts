import { grace } from './schedule.ts'
import type { PrivateKey } from './signer.ts'
import { inUse, type SigningKey, signingAt, stateOf } from './signing-key.ts'

export interface OpenSigningKey extends SigningKey, PrivateKey {}

/** The keys of a tenant until something changes; every change makes a new object. */
export interface KeySet {
  /** One of each algorithm. */
  signing: readonly OpenSigningKey[]
  /** The signing keys with future and former ones, in the order of publication. */
  published: readonly OpenSigningKey[]
}

/** @param now milliseconds since the epoch */
export function keySetAt(keys: OpenSigningKey[], now: number): KeySet {
  // The order does not depend on the states, so that the document stays the same when they change.
  const published = inUse(keys, now).toSorted((a, b) => a.publishAt - b.publishAt)
  return { signing: signingAt(keys, now), published }
}

/**
 * Whether a key may still sign. After its successor has taken over it may for a minute, to finish what was begun; it
 * stays published for as long as that lives.
 * @param now milliseconds since the epoch
 */
export function maySign(key: SigningKey, now: number): boolean {
  const state = stateOf(key, now)
  return state === 'active' || (state === 'retiring' && now - (key.retireAt as number) <= grace)
}
