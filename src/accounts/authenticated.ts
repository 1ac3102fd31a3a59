import type { Account } from './account.ts'

export interface MustChange {
  /** It was for one use, or it was enough beside a second factor, which is not asked for any more. */
  why: 'one_time' | 'short'
  tenant: string
  accountId: string
  /** Names the password that was verified, without being it or its hash. */
  verified: string
}

export interface Authenticated {
  account: Account
  mustChange?: MustChange
}
