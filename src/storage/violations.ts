import { QueryFailedError } from 'typeorm'

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

const connectionFailure = /^(08|57P0|53300|25006|40001|40P01|57014|55P03)/
const socketFailure = /ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|timeout|terminated|closed|not queryable/i

/**
 * Whether Postgres could not answer now although the statement was right: connection lost, pool exhausted, server
 * starting or stopping, statement timed out, serialization lost. Retrying later may work.
 */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = driverError(error)?.code ?? (error as DriverError).code ?? ''
  return connectionFailure.test(code) || socketFailure.test(`${code} ${error.message}`)
}
