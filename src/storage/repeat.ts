import { QueryFailedError } from 'typeorm'
import type { Statement } from './statement.ts'
import { isConnectionLost, isOwnFault, isUndone, isUnsent } from './violations.ts'

/**
 * Whether the first statement on an idle connection that turned out broken may be sent again over another connection:
 * it cannot have taken effect. Either nothing was sent, or the server refused it, or the transaction that it began
 * cannot have been committed, or it only reads. Never after a timeout: the caller has waited long enough. Never when
 * this side could not encode the statement or decode the answer.
 */
export function mayRepeat({ sql, begins, commits, onPrimary }: Statement, error: unknown): boolean {
  if (isUnsent(error) || isUndone(error)) return true
  if (!(error instanceof QueryFailedError) || !isConnectionLost(error) || isOwnFault(error)) {
    return false
  }
  return begins ? !commits : onPrimary === true || /^\s*select\b/i.test(sql)
}
