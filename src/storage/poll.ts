import { AsyncLocalStorage } from 'node:async_hooks'
import { onEveryBeat } from '../beat.ts'
import type { Clock } from '../clock.ts'
import type { ClockWatch } from '../clock-watch.ts'
import type { Log } from '../log.ts'
import type { Notifications } from './notifications.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { followDatabaseClock } from './storage.ts'

/** The moment just before a query: whatever was committed by then is in the answer. */
export interface Moment {
  /** Milliseconds since the epoch, by the server's clock. */
  at: number
  /** Milliseconds, monotonic. */
  monotonic: number
  /** How often the machine's clock had been set by then (`clock.steps`). */
  steps: number
}

/** A question that is put to Postgres periodically. */
export interface Question {
  /** A notification on this channel triggers the poll at once. */
  channel: string
  /**
   * A scalar SQL expression over `$1`, `$2` …: text, or null when there is nothing to report. It must be fast: a slow
   * one delays the answers of all other questions.
   */
  sql: string
  parameters(asked: Moment): unknown[]
  /**
   * Receives the answer and the time in Postgres, as Postgres prints it. Must not throw; asynchronous work that it
   * starts is not awaited.
   */
  heard(answer: string | null, asked: Moment, databaseTime: string): void
}

/**
 * The periodic poll of this process: one statement with all questions, so one round trip twice a second however many
 * subscribers there are, over the listening connection (ADR 0024, ADR 0028).
 */
export interface Poll {
  /** Adds a question to the poll; adding the same one twice has no effect. @returns removes it */
  join(question: Question): () => void
  /**
   * Polls now: when it resolves, everything committed before the call has been reported.
   * @throws DomainError or Error as `Notifications.query` does
   */
  now(): Promise<void>
}

export function createPoll({
  notifications,
  clock,
  clockWatch,
  log,
}: {
  notifications: Notifications
  clock: Clock
  clockWatch: ClockWatch
  log: Log
}): Poll {
  /** Runs the poll outside of the asynchronous context of the request that started it. */
  const apart = AsyncLocalStorage.snapshot()
  const questions = new Set<Question>()
  const channels = new Set<string>()
  let sql: string | undefined
  let end: (() => void) | undefined
  /** `clock.steps` when the clocks were last compared. */
  let compared = clock.steps

  /**
   * Reads the database clock again after this machine was suspended or its clock was set: questions depend on the right
   * time.
   */
  async function compareClock(): Promise<void> {
    if (clock.steps === compared) return
    await followDatabaseClock(notifications, clock)
    compared = clock.steps
    log.warn(
      { offset: clock.offset },
      'the clock of this machine was changed, or the machine was suspended',
    )
    clockWatch.look()
  }

  async function ask(): Promise<void> {
    await compareClock()
    const asked = { at: clock.now(), monotonic: performance.now(), steps: clock.steps }
    const all = [...questions]
    const parameters = all.map((question) => question.parameters(asked))
    sql ??= togetherOf(all, parameters)
    const [row] = await notifications.query<Answers>(sql, parameters.flat())
    if (!row) return
    all.forEach((question, i) => {
      if (questions.has(question)) question.heard(row[`answer_${i}`] ?? null, asked, row.now)
    })
  }

  const now = oneAtATime(ask)

  function poll(): void {
    now().catch((error: Error) => log.warn({ err: error }, 'could not read changes from Postgres'))
  }

  return {
    join(question) {
      const { channel } = question
      questions.add(question)
      sql = undefined
      if (!channels.has(channel)) {
        channels.add(channel)
        notifications.listen(channel, () => {
          if (end) poll()
        })
      }
      end ??= apart(() => onEveryBeat(poll))
      return () => {
        questions.delete(question)
        sql = undefined
        if (questions.size > 0) return
        end?.()
        end = undefined
      }
    },
    now,
  }
}

type Answers = { now: string } & Record<`answer_${number}`, string | null>

/** @param parameters of each question; their number per question never changes */
function togetherOf(questions: Question[], parameters: unknown[][]): string {
  let before = 0
  const answers = questions.map((question, i) => {
    const own = question.sql.replaceAll(/\$(\d+)/g, (_, n) => `$${before + Number(n)}`)
    before += parameters[i]?.length ?? 0
    return `(${own}) as answer_${i}`
  })
  return `select ${['now()::text as now', ...answers].join(',\n  ')}`
}
