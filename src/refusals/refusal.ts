import type { CheckName } from './checks.ts'

/** A refused request, to be explained later. */
export interface Refusal {
  /** The id in the answer: `Request-Id`, `error_id`, the number on the page. */
  id: string
  tenant: string
  /** Milliseconds since the epoch. */
  at: number
  /** The endpoint: `authorization`, `token`, `userinfo`, `sign-in` and so on. */
  endpoint: string
  /** The check that failed. */
  check: CheckName
  /** The error code that the caller got. */
  error: string
  clientId?: string | undefined
  accountId?: string | undefined
  ip?: string | undefined
  /** The reason that the check gave. */
  reason?: string | undefined
  /** Without secrets (`mask`), printable (`printable`). */
  expected?: string | undefined
  received?: string | undefined
}
