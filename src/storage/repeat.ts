import { QueryFailedError } from 'typeorm'
import type { Statement } from './statement.ts'
import { isConnectionLost, isOwnFault, isUndone, isUnsent } from './violations.ts'

/**
 * Whether what was asked first over a connection that was idle, and lost it, may be asked again over another: nothing can
 * have come of it. Nothing was sent, or the server refused it, or the transaction that it began cannot have been
 * committed, or it only reads. Not what had no answer in time: whoever waits for it has waited long enough. Not what this
 * side cannot write or read.
 */
export function mayRepeat({ sql, begins, commits, onPrimary }: Statement, error: unknown): boolean {
  if (isUnsent(error) || isUndone(error)) return true
  if (!(error instanceof QueryFailedError) || !isConnectionLost(error) || isOwnFault(error)) {
    return false
  }
  return begins ? !commits : onPrimary === true || /^\s*select\b/i.test(sql)
}
