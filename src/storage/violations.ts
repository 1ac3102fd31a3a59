import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm'
import { isDomainError } from '../errors.ts'

interface DriverError {
  code?: string
  constraint?: string
}

function driverError(error: unknown): DriverError | undefined {
  return error instanceof QueryFailedError ? (error.driverError as DriverError) : undefined
}

/** Whether a unique key refused a row (SQLSTATE 23505). */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const cause = driverError(error)
  return cause?.code === '23505' && (constraint === undefined || cause.constraint === constraint)
}

/** Whether a row that was referred to is not there, or not there any more (SQLSTATE 23503). */
export function isForeignKeyViolation(error: unknown): boolean {
  return driverError(error)?.code === '23503'
}

/** Whether a lock was not to be had in time (SQLSTATE 55P03). */
export const isLockTimeout = (error: unknown): boolean => driverError(error)?.code === '55P03'

/** Whether a statement took longer than one may (SQLSTATE 57014). */
export const isTimedOut = (error: unknown): boolean => driverError(error)?.code === '57014'

/** Whether a statement divided by the number of what it wrote, and that was nothing (SQLSTATE 22012). */
export const isNothingWritten = (error: unknown): boolean => driverError(error)?.code === '22012'

/** Whether the server takes no writes: a standby, or a primary that is none any more (SQLSTATE 25006). */
export const isReadOnly = (error: unknown): boolean => driverError(error)?.code === '25006'

const connectionFailure = /^(08|53|57P0|58030|25006|40001|40P01|57014|55P03)/
const socketFailure = /ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|timeout|terminated|closed|not queryable/i

/**
 * Whether Postgres could not answer now although the statement was right: connection lost, pool exhausted, server
 * starting or stopping, statement timed out, serialization lost; its disk, memory or connections used up (SQLSTATE class
 * 53), its disk failing (58030). Retrying later may work.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (isConnectionLost(error)) return true
  const code = driverError(error)?.code ?? (error as DriverError).code ?? ''
  return connectionFailure.test(code) || socketFailure.test(`${code} ${error.message}`)
}

/**
 * Lost connection, server stopping or starting, a primary that is none any more (SQLSTATE 25006), and a statement kept
 * prepared that does not fit its table any more (0A000), or that the server has forgotten (26000).
 */
const lostStates = /^(08|57P0|25006|0A000|26000)/

/**
 * Whether a connection must not be used again: it broke, did not answer, or leads to a server that takes no writes.
 * A statement that the server itself refused carries a SQLSTATE, five characters; every other failure is the
 * connection's.
 */
export function isConnectionLost(error: unknown): boolean {
  if (isDomainError(error, 'storage_unavailable')) return true
  // The driver reported the loss between two statements.
  if (error instanceof QueryRunnerAlreadyReleasedError) return true
  const cause = driverError(error)
  if (!cause) return false
  return !/^[0-9A-Z]{5}$/.test(cause.code ?? '') || lostStates.test(cause.code ?? '')
}
