import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm'
import { isDomainError } from '../errors.ts'

interface DriverError {
  code?: string
  constraint?: string
  /** The function in the server's source that raised it. Unlike the message it is not translated. */
  routine?: string
}

function driverError(error: unknown): DriverError | undefined {
  return error instanceof QueryFailedError ? (error.driverError as DriverError) : undefined
}

/** Whether a unique key refused a row (SQLSTATE 23505). */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const cause = driverError(error)
  return cause?.code === '23505' && (constraint === undefined || cause.constraint === constraint)
}

/** Whether a referenced row does not exist (SQLSTATE 23503). */
export function isForeignKeyViolation(error: unknown): boolean {
  return driverError(error)?.code === '23503'
}

/** Whether a check constraint refused a row (SQLSTATE 23514). */
export const isCheckViolation = (error: unknown): boolean => driverError(error)?.code === '23514'

/** Whether a lock could not be acquired in time (SQLSTATE 55P03). */
export const isLockTimeout = (error: unknown): boolean => driverError(error)?.code === '55P03'

/** Whether a statement exceeded its timeout (SQLSTATE 57014). */
export const isTimedOut = (error: unknown): boolean => driverError(error)?.code === '57014'

/** Whether the disk of Postgres is full (SQLSTATE 53100). */
export const isDiskFull = (error: unknown): boolean => driverError(error)?.code === '53100'

/**
 * Whether a statement failed because it wrote no row: such statements divide by the number of rows they wrote (SQLSTATE
 * 22012).
 */
export const isNothingWritten = (error: unknown): boolean => driverError(error)?.code === '22012'

const transientStates = /^(08|53|57P0|58030|25006|25P0[34]|40001|40P01|57014|55P03)/
const socketFailure = /ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|timeout|terminated|closed|not queryable/i

/**
 * Whether a valid statement failed for a temporary reason: connection lost, pool exhausted, server starting or
 * stopping, statement timeout, serialization failure, out of disk, memory or connections (SQLSTATE class 53), disk I/O
 * error (58030). A retry may succeed. Not transient: this side could not encode the statement. An error from the server
 * is judged by its SQLSTATE alone: the message may quote user input.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || isOwnFault(error)) return false
  if (isConnectionLost(error)) return true
  const code = driverError(error)?.code ?? (error as DriverError).code ?? ''
  return isSqlState(code)
    ? transientStates.test(code)
    : socketFailure.test(`${code} ${error.message}`)
}

/**
 * A server that is no longer the primary (SQLSTATE 25006), and a prepared statement that the server has forgotten
 * (26000).
 */
const unfitStates = /^(25006|26000)/

/**
 * A prepared statement outdated by a schema change ("cached plan must not change result type"). It shares the SQLSTATE
 * of all unsupported features (0A000).
 */
const isOutdated = ({ code, routine }: DriverError) =>
  code === '0A000' && routine === 'RevalidateCachedQuery'

/** Lost connection, server stopping or starting, transaction idle or open for too long. */
const lostStates = /^(08|57P0|25P0[34])/

/** A SQLSTATE has five characters, and those of Postgres have a digit; `EPIPE` is a socket error. */
const isSqlState = (code: string): boolean => /^(?=.*\d)[\dA-Z]{5}$/.test(code)

/** Whether the server refused a valid statement because of the state of the connection, without executing it. */
export function isUndone(error: unknown): boolean {
  const cause = driverError(error)
  return cause !== undefined && (unfitStates.test(cause.code ?? '') || isOutdated(cause))
}

/**
 * Whether this side could not encode a statement or decode its answer. The state of the connection is then unknown, as
 * when it is lost. It says nothing about the server or other connections.
 */
export function isOwnFault(error: unknown): boolean {
  const cause = driverError(error)
  return [RangeError, TypeError, SyntaxError].some((kind) => cause instanceof kind)
}

/** Whether the driver knew that the connection was broken, and sent nothing. */
export const isUnsent = (error: unknown): boolean =>
  error instanceof QueryRunnerAlreadyReleasedError ||
  (error instanceof QueryFailedError && /\bnot queryable$/.test(error.message))

/**
 * Whether a connection must not be used again: it broke, did not answer, or leads to a server that takes no writes. An
 * error of the server has a SQLSTATE; every other failure is attributed to the connection.
 */
export function isConnectionLost(error: unknown): boolean {
  if (isDomainError(error, 'storage_unavailable')) return true
  // The driver reported the loss between two statements.
  if (error instanceof QueryRunnerAlreadyReleasedError) return true
  const cause = driverError(error)
  if (!cause) return false
  const { code = '' } = cause
  return !isSqlState(code) || lostStates.test(code) || isUndone(error)
}
