import type { JWK } from 'jose'

/** Signature algorithms (RFC 7518 §3.1, RFC 8037 §3.1) that this server makes keys for. */
export const signingAlgs = ['ES256', 'RS256', 'PS256', 'EdDSA'] as const
export type SigningAlg = (typeof signingAlgs)[number]

/** The algorithms that every tenant has keys for from its start. */
export const requiredAlgs: SigningAlg[] = ['ES256', 'RS256']

/** A signing key; its state is a function of its times and the clock, never a column (architecture §8). */
export interface SigningKey {
  kid: string
  alg: SigningAlg
  publicJwk: JWK
  /** Milliseconds since the epoch. */
  publishAt: number
  /** When it starts to sign. Equal to `publishAt` where there was no other key to sign with. */
  activateAt: number
  /** When its successor starts to sign; absent without a successor. */
  retireAt?: number
  /** When nothing that it signed is valid. */
  removeAt?: number
  revokedAt?: number
}

export type SigningKeyState =
  | 'unpublished'
  | 'pending'
  | 'active'
  | 'retiring'
  | 'removed'
  | 'revoked'

/** @param now milliseconds since the epoch */
export function stateOf(key: SigningKey, now: number): SigningKeyState {
  // Revocation and `atOnce` apply immediately, even on a node whose clock is behind.
  if (key.revokedAt !== undefined) return 'revoked'
  const atOnce = key.activateAt === key.publishAt
  if (key.removeAt !== undefined && key.removeAt <= now) return 'removed'
  if (key.retireAt !== undefined && key.retireAt <= now) return 'retiring'
  if (atOnce || key.activateAt <= now) return 'active'
  return key.publishAt <= now ? 'pending' : 'unpublished'
}

const published = ['active', 'retiring', 'pending']

/** The keys to publish: active ones first, of those the latest. @param now milliseconds since the epoch */
export function inUse<Key extends SigningKey>(keys: readonly Key[], now: number): Key[] {
  const rank = (key: Key) => published.indexOf(stateOf(key, now))
  return keys
    .filter((key) => rank(key) >= 0)
    .toSorted((a, b) => rank(a) - rank(b) || b.activateAt - a.activateAt)
}

/** The one key of each algorithm that signs. @param now milliseconds since the epoch */
export function signingAt<Key extends SigningKey>(keys: readonly Key[], now: number): Key[] {
  const active = inUse(keys, now).filter((key) => stateOf(key, now) === 'active')
  return active.filter((key, i) => active.findIndex(({ alg }) => alg === key.alg) === i)
}

/** When the clock alone next changes the state of one of them; `Infinity` for never. */
export function nextChange(keys: readonly SigningKey[], now: number): number {
  const times = keys.flatMap(({ publishAt, activateAt, retireAt = 0, removeAt = 0 }) => [
    publishAt,
    activateAt,
    retireAt,
    removeAt,
  ])
  return Math.min(Infinity, ...times.filter((time) => time > now))
}
