import type { QueryRunner } from 'typeorm'
import { DomainError } from '../errors.ts'
import { type Metrics, timed } from '../metrics/metrics.ts'
import { traced } from '../tracing/trace.ts'
import { isConnectionLost } from './violations.ts'

/** One connection out of the pool, taken at the first statement. */
export type Connection = Pick<
  QueryRunner,
  'query' | 'startTransaction' | 'commitTransaction' | 'rollbackTransaction' | 'release'
>

/**
 * A connection that is given up when it does not answer. A server that is frozen, or behind a network that drops
 * everything, neither answers nor closes: `statement_timeout` is its own clock and does not tick. What was given up
 * may still be at work, so it is closed and never used again: in the pool it would lend an open transaction to the
 * next request.
 * @param patience milliseconds for one statement; absent for an engine in this process
 */
export function connectionOver(
  runner: QueryRunner,
  metrics: Metrics,
  patience?: number,
): Connection {
  let client: { end(): Promise<void> } | undefined
  let lost: unknown

  const waited = (seconds: number) => metrics.observe('keyturn_db_pool_wait_seconds', {}, seconds)
  const took = (operation: string) => (seconds: number, failed: boolean) => {
    metrics.observe('keyturn_db_statement_duration_seconds', { operation }, seconds)
    if (failed) metrics.count('keyturn_db_statement_failures_total', { operation })
  }

  /** @throws DomainError `storage_unavailable` when there is no connection or no answer in time */
  async function ask<T>(
    operation: string,
    statement: () => Promise<T>,
    sql = operation,
  ): Promise<T> {
    if (lost) throw lost
    try {
      client ??= (await timed(metrics, waited, () =>
        runner.connect().catch(refused),
      )) as typeof client
      const answer = () => (patience === undefined ? statement() : inTime(statement(), patience))
      return await traced(
        () => spanOf(operation, sql),
        () => timed(metrics, took(operation), answer),
      )
    } catch (error) {
      if (isConnectionLost(error)) lost = error
      throw error
    }
  }

  // The types of the overloads of `query` are those of QueryRunner.
  const query = (sql: string, parameters?: unknown[], structured?: boolean) =>
    ask(operationOf(sql), () => runner.query(sql, parameters, structured as true), sql)

  return {
    query: query as Connection['query'],
    startTransaction: () => ask('begin', () => runner.startTransaction()),
    commitTransaction: () => ask('commit', () => runner.commitTransaction()),
    rollbackTransaction: () => ask('rollback', () => runner.rollbackTransaction()),
    async release() {
      // Not waited for: the other side may never confirm it. The pool drops a connection that is ending.
      if (lost) client?.end().catch(() => undefined)
      await runner.release()
    },
  }
}

const operations = new Set(['select', 'insert', 'update', 'delete', 'with'])

/** The kind of a statement: its first word, where that is one of a few. */
function operationOf(sql: string): string {
  const word = /^\s*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? ''
  return operations.has(word) ? word : 'other'
}

/** Statements carry their values as parameters, which are not told. */
function spanOf(operation: string, sql: string) {
  const text = sql.replaceAll(/\s+/g, ' ').trim()
  const table = /\b(?:from|into|update)\s+"?(\w+)/i.exec(text)?.[1]
  const name = table === undefined ? operation : `${operation} ${table}`
  return {
    name,
    kind: 'client' as const,
    attributes: {
      'db.system.name': 'postgresql',
      'db.operation.name': operation,
      'db.query.text': text,
    },
  }
}

function refused(cause: Error): never {
  throw new DomainError('storage_unavailable', {
    detail: `no connection to Postgres: ${cause.message || cause.name}`,
    cause,
  })
}

async function inTime<T>(answer: Promise<T>, patience: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const detail = `Postgres did not answer a statement within ${patience} ms`
    reject(new DomainError('storage_unavailable', { detail }))
  }, patience)
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
