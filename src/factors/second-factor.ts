/** What somebody signs in with beside a password. */
export interface SecondFactor {
  id: string
  kind: 'totp'
  /** As its owner calls it. */
  name: string
  /** In milliseconds since the epoch. */
  createdAt: number
  lastUsedAt?: number
}

/**
 * How a second factor was shown; `recovery` is a code that was kept for when there is no other. `email` is a second step
 * and no second factor.
 */
export type Proof = 'totp' | 'recovery' | 'email'

/** Characters that a name has at most. */
export const longestName = 60

/** Factors that an account has at most. */
export const mostFactors = 5
