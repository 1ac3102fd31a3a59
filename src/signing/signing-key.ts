import type { JWK } from 'jose'

/** Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) that this server makes keys for. */
export const signingAlgs = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const
export type SigningAlg = (typeof signingAlgs)[number]

/** A signing key; its state is a function of its times and the clock, never a column (architecture §8). */
export interface SigningKey {
  kid: string
  alg: SigningAlg
  publicJwk: JWK
  /** Milliseconds since the epoch. */
  publishAt: number
  activateAt: number
  retireAt?: number
  removeAt?: number
}

export type SigningKeyState = 'unpublished' | 'pending' | 'active' | 'retiring' | 'removed'

/** @param now milliseconds since the epoch */
export function stateOf(key: SigningKey, now: number): SigningKeyState {
  if (key.removeAt !== undefined && key.removeAt <= now) return 'removed'
  if (key.retireAt !== undefined && key.retireAt <= now) return 'retiring'
  if (key.activateAt <= now) return 'active'
  return key.publishAt <= now ? 'pending' : 'unpublished'
}

const published = ['active', 'retiring', 'pending']

/**
 * The keys to publish, in the order in which the engine has to see them: it signs with the first of an algorithm.
 * @param now milliseconds since the epoch
 */
export function inUse<Key extends SigningKey>(keys: Key[], now: number): Key[] {
  const rank = (key: Key) => published.indexOf(stateOf(key, now))
  return keys
    .filter((key) => rank(key) >= 0)
    .toSorted((a, b) => rank(a) - rank(b) || b.activateAt - a.activateAt)
}
