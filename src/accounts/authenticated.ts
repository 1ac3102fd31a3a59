import type { Account } from './account.ts'

export interface MustChange {
  /** It was for one use, or it was enough beside a second factor, which is not asked for any more. */
  why: 'one_time' | 'short'
  tenant: string
  accountId: string
  /** Names the password that was verified, without being it or its hash. */
  verified: string
}

/** What a sign-in takes beside a password. */
export type SecondStep = 'factor' | 'email_code'

export interface Authenticated {
  account: Account
  /** Absent when a password is enough, as of when it was compared. */
  secondStep?: SecondStep
  mustChange?: MustChange
}
