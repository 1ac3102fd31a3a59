/** What somebody signs in with beside a password, or in place of one. */
export interface SecondFactor {
  id: string
  kind: FactorKind
  /** As its owner calls it. */
  name: string
  /** In milliseconds since the epoch. */
  createdAt: number
  lastUsedAt?: number
  /** Of a passkey: whether it is kept by its owner's provider, too. */
  backedUp?: boolean
}

export type FactorKind = 'totp' | 'passkey'

/**
 * How a second factor was shown: a code of an app, a code that was kept for when there is no other, a passkey; or a
 * passkey whose device made sure who it is, which needs no password beside it. `email` is a second step and no second
 * factor.
 */
export type Proof = 'totp' | 'recovery' | 'email' | 'passkey' | 'verified_passkey'

/** Characters that a name has at most. */
export const longestName = 60

/** Factors of a kind that an account has at most. */
export const mostFactors: Record<FactorKind, number> = { totp: 5, passkey: 10 }
