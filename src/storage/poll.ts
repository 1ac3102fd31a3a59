import { AsyncLocalStorage } from 'node:async_hooks'
import { onEveryBeat } from '../beat.ts'
import type { Clock } from '../clock.ts'
import type { ClockWatch } from '../clock-watch.ts'
import type { Log } from '../log.ts'
import type { Notifications } from './notifications.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { followDatabaseClock } from './storage.ts'

/** The moment before something was asked: whatever was committed by then is in the answer. */
export interface Moment {
  /** Milliseconds since the epoch, by the server's clock. */
  at: number
  /** Milliseconds, by a clock that never jumps. */
  monotonic: number
  /** How often the machine's clock had been set by then. */
  steps: number
}

/** What somebody wants to hear of again and again. */
export interface Question {
  /** Whoever says something there has everything asked at once. */
  channel: string
  /**
   * An expression over `$1`, `$2` …: a text, or null when there is nothing to tell. What may take long does not belong
   * here: it would keep the others from being heard.
   */
  sql: string
  parameters(asked: Moment): unknown[]
  /**
   * Takes the answer, and what time it was in Postgres, as it writes it. Nobody waits for what it begins, and it never
   * throws.
   */
  heard(answer: string | null, asked: Moment, databaseTime: string): void
}

/**
 * What this process asks Postgres all the time, in one statement: one round trip twice a second, however many want to
 * hear of something, over the connection that listens (ADR 0024, ADR 0028).
 */
export interface Poll {
  /** Asks it with the others from now on; the same question once. @returns what ends that */
  join(question: Question): () => void
  /**
   * Asks everything at once: what was committed before the call has been heard.
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
  /** It belongs to no request, whichever began it. */
  const apart = AsyncLocalStorage.snapshot()
  const questions = new Set<Question>()
  const channels = new Set<string>()
  let sql: string | undefined
  let end: (() => void) | undefined
  /** How often the clock had been set when it was compared last. */
  let compared = clock.steps

  /** What time depends on is asked with the right time: the machine may have stood still, or was set. */
  async function compareClock(): Promise<void> {
    if (clock.steps === compared) return
    await followDatabaseClock(notifications, clock)
    compared = clock.steps
    log.warn({ offset: clock.offset }, 'the clock of this machine was set, or stood still')
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
    now().catch((error: Error) => log.warn({ err: error }, 'changes not heard of'))
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

/** @param parameters of each; how many a question has never changes */
function togetherOf(questions: Question[], parameters: unknown[][]): string {
  let before = 0
  const answers = questions.map((question, i) => {
    const own = question.sql.replaceAll(/\$(\d+)/g, (_, n) => `$${before + Number(n)}`)
    before += parameters[i]?.length ?? 0
    return `(${own}) as answer_${i}`
  })
  return `select ${['now()::text as now', ...answers].join(',\n  ')}`
}
