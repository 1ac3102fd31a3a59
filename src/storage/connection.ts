import type { QueryRunner } from 'typeorm'
import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm'
import { DomainError, isDomainError } from '../errors.ts'
import { inTime } from '../in-time.ts'
import { type Metrics, timed } from '../metrics/metrics.ts'
import { traced } from '../tracing/trace.ts'
import { mayRepeat } from './repeat.ts'
import { type AskableClient, type Asked, ask, type Outcome, type Statement } from './statement.ts'
import { isConnectionLost, isOwnFault } from './violations.ts'

/** A connection from the pool. */
export interface Connection {
  /** Takes the connection from the pool; otherwise the first `run` does. */
  take(): Promise<void>
  run(statement: Statement): Promise<Outcome>
  release(): Promise<void>
}

/** Options for sending statements. */
export interface Asking {
  /** Milliseconds for one statement; absent for an engine in this process. */
  patience?: number | undefined
  /** Whether to use named prepared statements. */
  prepares: boolean
  metrics: Metrics
  reach: Reach
}

/** What the connections of this process have learnt about the server, shared among them. */
export interface Reach {
  /** Whether the most recent statement, over any connection, was answered. */
  isUp: boolean
  /**
   * When the statement was sent that last found its connection broken (milliseconds, monotonic). Connections opened
   * before lead to the same server, which is gone or no longer takes writes. A connection that had never answered does
   * not count: its failure is no sign of a fail-over.
   */
  lostAt: number
  /**
   * When the statement was sent that last timed out. Connections that have not answered since may lead to the same
   * unresponsive server. For those that have, it was one slow statement.
   */
  silentAt: number
}

export const reachable = (): Reach => ({ isUp: true, lostAt: 0, silentAt: 0 })

/** Connection → when it was opened (milliseconds, monotonic, as in `Reach`). */
const openings = new WeakMap<object, number>()
/** Connection → when it last answered. */
const answers = new WeakMap<object, number>()

/** Must be called for each connection that the pool opens. */
export const noteOpened = (client: object): void => void openings.set(client, performance.now())

function isSound(client: object, { lostAt, silentAt }: Reach): boolean {
  const opened = openings.get(client) ?? Infinity
  return opened >= lostAt && Math.max(opened, answers.get(client) ?? 0) >= silentAt
}

type Client = AskableClient & { end(): Promise<void> }

/**
 * A pooled connection that is given up when it does not answer in time. A frozen server, or one behind a network that
 * drops packets, neither answers nor closes, and `statement_timeout` is measured by the server itself. A given-up
 * statement may still be running, so its connection is closed and never returned to the pool, where it would hand an
 * open transaction to the next request.
 *
 * After a fail-over the first statement on each idle connection finds it dead. That statement is sent once more over a
 * new connection, if it cannot have taken effect (`mayRepeat`). If the new connection fails too, the server is down and
 * the error is passed on.
 * @param create takes a new runner from the pool; it connects on first use
 * @param asking.connectPatience milliseconds for everything before the last statement sent, however many connections
 *   that takes
 */
export function connectionOver(
  create: () => QueryRunner,
  asking: Asking & { connectPatience: number },
): Connection {
  const { patience, connectPatience, metrics, reach, prepares } = asking
  let runner = create()
  let client: Client | undefined
  let lost: unknown
  let isFirst = true
  let until: number | undefined

  async function connect(): Promise<Client> {
    const taking: Promise<Client> = runner.connect()
    try {
      // The pool applies this timeout to the first attempt.
      if (until === undefined) {
        until = performance.now() + connectPatience
        return await taking
      }
      return await inTime(taking, Math.max(0, until - performance.now()), noneFree)
    } catch (cause) {
      const left = runner
      taking.then(
        () => left.release(),
        () => undefined,
      )
      runner = create()
      metrics.count('keyturn_db_connection_failures_total', {})
      if (!isNoneFree(cause as Error)) reach.isUp = false
      throw refused(cause as Error)
    }
  }

  const waited = (seconds: number) => metrics.observe('keyturn_db_pool_wait_seconds', {}, seconds)

  /** Takes connections, and discards those that lead to a lost server, until one is sound. */
  async function takeSound(): Promise<Client> {
    for (;;) {
      const taken = await timed(metrics, waited, connect)
      if (patience === undefined || isSound(taken, reach)) return taken
      await replace(taken)
    }
  }

  /**
   * Discards a connection; the pool drops one that is ending. `end()` is not awaited: the other side may never confirm
   * it.
   */
  async function replace(broken: Client): Promise<void> {
    broken.end().catch(() => undefined)
    await runner.release()
    runner = create()
    client = undefined
  }

  /** @throws DomainError `storage_unavailable` when there is no connection or no answer in time */
  async function using<T>(work: (client: Client) => Promise<T>): Promise<T> {
    if (lost) throw lost
    try {
      client ??= await takeSound()
      if (runner.isReleased) throw new QueryRunnerAlreadyReleasedError()
      return await work(client)
    } catch (error) {
      if (isConnectionLost(error)) lost = error
      throw error
    }
  }

  return {
    take: () => using(async () => undefined),
    async run({ before = [], ...statement }) {
      // Outcomes are passed on only at the end: the whole batch may be undone and sent again, and no caller may
      // continue with an outcome that was undone.
      const outcomes = new Map<Asked, Outcome>()
      const held = before.map((asked) => ({
        ...asked,
        done: (outcome: Outcome) => void outcomes.set(asked, outcome),
      }))
      const attempt = () => using((open) => answerTo(open, { ...statement, before: held }, asking))
      const isAlone = isFirst && patience !== undefined
      isFirst = false
      try {
        return await attempt().catch(async (error: unknown) => {
          const isOld = client !== undefined && answers.has(client)
          const isOver = performance.now() >= (until ?? 0)
          if (!isAlone || !client || !isOld || isOver || !mayRepeat(statement, error)) throw error
          await replace(client)
          lost = undefined
          outcomes.clear()
          return attempt()
        })
      } finally {
        for (const asked of before) {
          const outcome = outcomes.get(asked)
          if (outcome) asked.done(outcome)
        }
      }
    },
    async release() {
      // The embedded engine has one session for all connections: an open transaction must be rolled back explicitly.
      if (lost && client && patience === undefined) {
        await ask(client, { sql: 'ROLLBACK' }, prepares).catch(() => undefined)
      }
      // Not awaited, as in `replace`.
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
    // The statements of one batch share its duration.
    for (const text of texts) {
      const labels = { operation: operationOf(text) }
      metrics.observe('keyturn_db_statement_duration_seconds', labels, seconds)
    }
    if (failed) metrics.count('keyturn_db_statement_failures_total', { operation })
  }
  const began = performance.now()
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
      noteAnswer(client, reach)
      return outcome
    },
    (error: unknown) => {
      if (!isConnectionLost(error)) noteAnswer(client, reach)
      else if (!isOwnFault(error)) noteLoss(client, reach, { error, began })
      throw error
    },
  )
}

function noteAnswer(client: object, reach: Reach): void {
  reach.isUp = true
  answers.set(client, performance.now())
}

/** @param failed.began when the statement was sent */
function noteLoss(client: object, reach: Reach, failed: { error: unknown; began: number }): void {
  const { error, began } = failed
  reach.isUp = false
  if (isLate(error)) reach.silentAt = Math.max(reach.silentAt, began)
  else if (answers.has(client)) reach.lostAt = Math.max(reach.lostAt, began)
}

const operations = new Set(['select', 'insert', 'update', 'delete', 'with', 'commit', 'rollback'])

/** The kind of a statement: its first word if that is a known one, else `other`. */
function operationOf(sql: string): string {
  const word = /^\s*(\w+)/.exec(sql)?.[1]?.toLowerCase() ?? ''
  return operations.has(word) ? word : 'other'
}

/**
 * Span of a batch. It has the text of the statements, never their parameters.
 * @param sql the last statement, which names the span
 * @param texts all statements of the batch
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

/** Whether a statement timed out. */
const isLate = (error: unknown) => isDomainError(error, 'storage_unavailable')

/** The pool's error when all connections are taken or still being opened. It does not say whether Postgres is up. */
const isNoneFree = ({ message }: Error) => message.startsWith('timeout exceeded when trying to')

const noneFree = () => new Error('timeout exceeded when trying to connect')

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
