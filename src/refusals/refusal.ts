import type { CheckName } from './checks.ts'

/** A request that was refused, for whoever asks why. */
export interface Refusal {
  /** The id that the answer had: `Request-Id`, `error_id`, the number on the page. */
  id: string
  tenant: string
  /** Milliseconds since the epoch. */
  at: number
  /** Where: `authorization`, `token`, `userinfo`, `sign-in` and so on. */
  endpoint: string
  /** The check that failed. */
  check: CheckName
  /** What the caller was told: the code of the specification. */
  error: string
  clientId?: string | undefined
  accountId?: string | undefined
  ip?: string | undefined
  /** Why, in the words of the check. */
  reason?: string | undefined
  /** Without secrets: see `mask`. Kept as `printable` makes them. */
  expected?: string | undefined
  received?: string | undefined
}
