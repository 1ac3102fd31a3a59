import type { PrivateKey } from './signer.ts'
import { inUse, type SigningKey, signingAt } from './signing-key.ts'

export interface OpenSigningKey extends SigningKey, PrivateKey {}

/** The keys of a tenant from one moment on until the next: another object whenever something is different. */
export interface KeySet {
  /** One of each algorithm. */
  signing: readonly OpenSigningKey[]
  /** Those that sign, and those that will or did: in the order in which they came to be. */
  published: readonly OpenSigningKey[]
}

/** @param now milliseconds since the epoch */
export function keySetAt(keys: OpenSigningKey[], now: number): KeySet {
  // The order does not depend on the states, so that the document stays the same when they change.
  const published = inUse(keys, now).toSorted((a, b) => a.publishAt - b.publishAt)
  return { signing: signingAt(keys, now), published }
}
