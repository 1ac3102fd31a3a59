import type { QueryRunner } from 'typeorm'
import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm'
import { DomainError } from '../errors.ts'
import { inTime } from '../in-time.ts'
import { type Metrics, timed } from '../metrics/metrics.ts'
import { traced } from '../tracing/trace.ts'
import { type AskableClient, ask, type Outcome, type Statement } from './statement.ts'
import { isConnectionLost } from './violations.ts'

/** One connection out of the pool. */
export interface Connection {
  /** Takes it, which the first statement does otherwise. */
  take(): Promise<void>
  run(statement: Statement): Promise<Outcome>
  release(): Promise<void>
}

/** How statements are asked. */
export interface Asking {
  /** Milliseconds for one statement; absent for an engine in this process. */
  patience?: number | undefined
  /** Whether statements are kept prepared on the connection. */
  prepares: boolean
  metrics: Metrics
  reach: Reach
}

/** Whether the last that was asked of Postgres, over whichever connection, was answered. */
export interface Reach {
  isUp: boolean
}

/**
 * A connection that is given up when it does not answer. A server that is frozen, or behind a network that drops
 * everything, neither answers nor closes: `statement_timeout` is its own clock and does not tick. What was given up
 * may still be at work, so it is closed and never used again: in the pool it would lend an open transaction to the
 * next request.
 */
export function connectionOver(runner: QueryRunner, asking: Asking): Connection {
  const { patience, metrics, prepares, reach } = asking
  let client: (AskableClient & { end(): Promise<void> }) | undefined
  let lost: unknown

  async function connect() {
    try {
      return await runner.connect()
    } catch (cause) {
      metrics.count('keyturn_db_connection_failures_total', {})
      if (!isNoneFree(cause as Error)) reach.isUp = false
      throw refused(cause as Error)
    }
  }

  const waited = (seconds: number) => metrics.observe('keyturn_db_pool_wait_seconds', {}, seconds)

  /** @throws DomainError `storage_unavailable` when there is no connection or no answer in time */
  async function using<T>(work: (client: AskableClient) => Promise<T>): Promise<T> {
    if (lost) throw lost
    try {
      client ??= (await timed(metrics, waited, connect)) as NonNullable<typeof client>
      if (runner.isReleased) throw new QueryRunnerAlreadyReleasedError()
      return await work(client)
    } catch (error) {
      if (isConnectionLost(error)) lost = error
      throw error
    }
  }

  return {
    take: () => using(async () => undefined),
    run: (statement) => using((open) => answerTo(open, statement, asking)),
    async release() {
      // The engine in this process has one session, whichever connection asks it: what is open in it must be undone.
      if (lost && client && patience === undefined) {
        await ask(client, { sql: 'ROLLBACK' }, prepares).catch(() => undefined)
      }
      // Not waited for: the other side may never confirm it. The pool drops a connection that is ending.
      else if (lost) client?.end().catch(() => undefined)
      await runner.release()
    },
  }
}

/** @throws QueryFailedError; DomainError `storage_unavailable` when there is no answer in time */
export function answerTo(
  client: AskableClient,
  statement: Statement,
  { patience, prepares, metrics, reach }: Asking,
): Promise<Outcome> {
  const texts = [...(statement.before ?? []), statement].map(({ sql }) => sql)
  const operation = operationOf(statement.sql)
  const took = (seconds: number, failed: boolean) => {
    // Each took as long as all that went together.
    for (const text of texts) {
      const labels = { operation: operationOf(text) }
      metrics.observe('keyturn_db_statement_duration_seconds', labels, seconds)
    }
    if (failed) metrics.count('keyturn_db_statement_failures_total', { operation })
  }
  const answer = () => {
    const asked = ask(client, statement, prepares).catch((error: Error) => {
      throw new QueryFailedError(statement.sql, statement.parameters, error)
    })
    return patience === undefined ? asked : inTime(asked, patience, () => late(patience))
  }
  return traced(
    () => spanOf(operation, statement.sql, texts),
    () => timed(metrics, took, answer),
  ).then(
    (outcome) => {
      reach.isUp = true
      return outcome
    },
    (error: unknown) => {
      reach.isUp = !isConnectionLost(error)
      throw error
    },
  )
}

const operations = new Set(['select', 'insert', 'update', 'delete', 'with', 'commit', 'rollback'])

/** The kind of a statement: its first word, where that is one of a few. */
function operationOf(sql: string): string {
  const word = /^\s*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? ''
  return operations.has(word) ? word : 'other'
}

/**
 * Statements carry their values as parameters, which are not told.
 * @param sql the one that the others went ahead of, by which they are called
 * @param texts all that went together
 */
function spanOf(operation: string, sql: string, texts: string[]) {
  const text = texts.join('; ').replaceAll(/\s+/g, ' ').trim()
  const table = /(?<!\bepoch\s+)\b(?:from|into|update)\s+"?(\w+)/i.exec(sql)?.[1]
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

/** What the pool says when all its connections are taken, or still being opened: no word of whether Postgres is there. */
const isNoneFree = ({ message }: Error) => message.startsWith('timeout exceeded when trying to')

function refused(cause: Error): DomainError {
  return new DomainError('storage_unavailable', {
    detail: `no connection to Postgres: ${cause.message || cause.name}`,
    cause,
  })
}

function late(patience: number): DomainError {
  const detail = `Postgres did not answer a statement within ${patience} ms`
  return new DomainError('storage_unavailable', { detail })
}
