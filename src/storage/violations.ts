import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm'
import { isDomainError } from '../errors.ts'

interface DriverError {
  code?: string
  constraint?: string
  /** Of the server's source, which is in no language, as the message may be. */
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

/** Whether a row that was referred to is not there, or not there any more (SQLSTATE 23503). */
export function isForeignKeyViolation(error: unknown): boolean {
  return driverError(error)?.code === '23503'
}

/** Whether a row broke a rule of its table (SQLSTATE 23514). */
export const isCheckViolation = (error: unknown): boolean => driverError(error)?.code === '23514'

/** Whether a lock was not to be had in time (SQLSTATE 55P03). */
export const isLockTimeout = (error: unknown): boolean => driverError(error)?.code === '55P03'

/** Whether a statement took longer than one may (SQLSTATE 57014). */
export const isTimedOut = (error: unknown): boolean => driverError(error)?.code === '57014'

/** Whether Postgres has no room for what is to be written. */
export const isDiskFull = (error: unknown): boolean => driverError(error)?.code === '53100'

/** Whether a statement divided by the number of what it wrote, and that was nothing (SQLSTATE 22012). */
export const isNothingWritten = (error: unknown): boolean => driverError(error)?.code === '22012'

const transientStates = /^(08|53|57P0|58030|25006|25P0[34]|40001|40P01|57014|55P03)/
const socketFailure = /ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|timeout|terminated|closed|not queryable/i

/**
 * Whether Postgres could not answer now although the statement was right: connection lost, pool exhausted, server
 * starting or stopping, statement timed out, serialization lost; its disk, memory or connections used up (SQLSTATE class
 * 53), its disk failing (58030). Retrying later may work; it does not where this side could not write the statement.
 * What the server refused is judged by its SQLSTATE alone: its message may quote what somebody sent.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || isOwnFault(error)) return false
  if (isConnectionLost(error)) return true
  const code = driverError(error)?.code ?? (error as DriverError).code ?? ''
  return isSqlState(code)
    ? transientStates.test(code)
    : socketFailure.test(`${code} ${error.message}`)
}

/** A primary that is none any more (SQLSTATE 25006), and a statement kept prepared that the server has forgotten (26000). */
const unfitStates = /^(25006|26000)/

/**
 * A statement kept prepared that does not fit its table any more: "cached plan must not change result type". That has
 * the SQLSTATE of whatever the server cannot do (0A000).
 */
const isOutdated = ({ code, routine }: DriverError) =>
  code === '0A000' && routine === 'RevalidateCachedQuery'

/** Lost connection, server stopping or starting, transaction idle or open for too long. */
const lostStates = /^(08|57P0|25P0[34])/

/** Five characters, and a digit in each of Postgres: `EPIPE` is of the socket. */
const isSqlState = (code: string): boolean => /^(?=.*\d)[\dA-Z]{5}$/.test(code)

/** Whether it was the connection that a server refused a statement for, which was right, and did nothing of it. */
export function isUndone(error: unknown): boolean {
  const cause = driverError(error)
  return cause !== undefined && (unfitStates.test(cause.code ?? '') || isOutdated(cause))
}

/**
 * Whether this side could not write a statement, or not read its answer. What is under way over its connection is not
 * known then, as when it is lost; of the server, and of other connections, it says nothing.
 */
export function isOwnFault(error: unknown): boolean {
  const cause = driverError(error)
  return [RangeError, TypeError, SyntaxError].some((kind) => cause instanceof kind)
}

/** Whether the driver knew that the connection is broken, and sent nothing. */
export const isUnsent = (error: unknown): boolean =>
  error instanceof QueryRunnerAlreadyReleasedError ||
  (error instanceof QueryFailedError && /\bnot queryable$/.test(error.message))

/**
 * Whether a connection must not be used again: it broke, did not answer, or leads to a server that takes no writes.
 * A statement that the server itself refused carries a SQLSTATE; every other failure is taken for the connection's.
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
