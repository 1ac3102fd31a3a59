import type { QueryRunner } from 'typeorm'
import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm'
import { DomainError, isDomainError } from '../errors.ts'
import { inTime } from '../in-time.ts'
import { type Metrics, timed } from '../metrics/metrics.ts'
import { traced } from '../tracing/trace.ts'
import { mayRepeat } from './repeat.ts'
import { type AskableClient, type Asked, ask, type Outcome, type Statement } from './statement.ts'
import { isConnectionLost, isOwnFault } from './violations.ts'

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

/** What the connections of a process know of each other. */
export interface Reach {
  /** Whether the last that was asked of Postgres, over whichever connection, was answered. */
  isUp: boolean
  /**
   * When what broke a connection was asked (milliseconds, by a clock that never jumps): those that were open by then lead
   * to the same server, which has gone, or takes no writes any more. One that never answered tells of no change.
   */
  lostAt: number
  /**
   * When what had no answer in time was asked: those that have answered nothing since may lead to where nobody does. To
   * the others it was one slow answer.
   */
  silentAt: number
}

export const reachable = (): Reach => ({ isUp: true, lostAt: 0, silentAt: 0 })

/** When each was opened, as in `Reach`. */
const openings = new WeakMap<object, number>()
/** When each answered last. */
const answers = new WeakMap<object, number>()

/** Has to be told of each connection that the pool opens. */
export const noteOpened = (client: object): void => void openings.set(client, performance.now())

function isSound(client: object, { lostAt, silentAt }: Reach): boolean {
  const opened = openings.get(client) ?? Infinity
  return opened >= lostAt && Math.max(opened, answers.get(client) ?? 0) >= silentAt
}

type Client = AskableClient & { end(): Promise<void> }

/**
 * A connection that is given up when it does not answer. A server that is frozen, or behind a network that drops
 * everything, neither answers nor closes: `statement_timeout` is its own clock and does not tick. What was given up
 * may still be at work, so it is closed and never used again: in the pool it would lend an open transaction to the
 * next request.
 *
 * After a fail-over connections that were idle are found dead by whoever asks first: that statement is asked once more, over
 * a new one, where nothing can have come of it (`mayRepeat`). Where a new one fails, the server does: another would too.
 * @param create one of the pool, which is taken when it connects
 * @param asking.connectPatience milliseconds for all that comes before what is asked last: however many are taken
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
      // The pool itself has this patience with the first.
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

  /** Past all that lead to where one was lost. */
  async function takeSound(): Promise<Client> {
    for (;;) {
      const taken = await timed(metrics, waited, connect)
      if (patience === undefined || isSound(taken, reach)) return taken
      await replace(taken)
    }
  }

  /** The pool drops a connection that is ending. Not waited for: the other side may never confirm it. */
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
      // Told at the end: nobody may go on from what was undone, and is asked again.
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
      // The engine in this process has one session, whichever connection asks it: what is open in it must be undone.
      if (lost && client && patience === undefined) {
        await ask(client, { sql: 'ROLLBACK' }, prepares).catch(() => undefined)
      }
      // As above.
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

/** @param failed.began when it was asked */
function noteLoss(client: object, reach: Reach, failed: { error: unknown; began: number }): void {
  const { error, began } = failed
  reach.isUp = false
  if (isLate(error)) reach.silentAt = Math.max(reach.silentAt, began)
  else if (answers.has(client)) reach.lostAt = Math.max(reach.lostAt, began)
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

/** That it had no answer in time. */
const isLate = (error: unknown) => isDomainError(error, 'storage_unavailable')

/** What the pool says when all its connections are taken, or still being opened: no word of whether Postgres is there. */
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
