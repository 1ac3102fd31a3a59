/** A factor for signing in besides a password, or instead of one. */
export interface SecondFactor {
  id: string
  kind: FactorKind
  /** The name that its owner gave it. */
  name: string
  /** In milliseconds since the epoch. */
  createdAt: number
  lastUsedAt?: number
  /** Of a passkey: whether it is synced by its provider. */
  backedUp?: boolean
}

export type FactorKind = 'totp' | 'passkey'

/**
 * How a second factor was proven: a code of an app, a recovery code, a passkey; or a passkey with user verification,
 * which needs no password. `email` is a second step but no second factor.
 */
export type Proof = 'totp' | 'recovery' | 'email' | 'passkey' | 'verified_passkey'

/** Most characters of a name. */
export const longestName = 60

/** Most factors of each kind per account. */
export const mostFactors: Record<FactorKind, number> = { totp: 5, passkey: 10 }
