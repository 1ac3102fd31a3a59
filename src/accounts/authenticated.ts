import type { Account } from './account.ts'

export interface MustChange {
  /** It was a one-time password, or it is long enough only with a second factor, which is no longer required. */
  why: 'one_time' | 'short'
  tenant: string
  accountId: string
  /** Identifies the verified password, without being it or its hash. */
  verified: string
}

/** What a sign-in requires besides a password. */
export type SecondStep = 'factor' | 'email_code'

export interface Authenticated {
  account: Account
  /** Undefined when a password is enough, as of when it was compared. */
  secondStep?: SecondStep
  mustChange?: MustChange
}
