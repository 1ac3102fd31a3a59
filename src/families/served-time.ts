import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, table } from '../storage/table.ts'

/** The time in which requests could be answered, by any process: replay windows count no other (ADR 0008). */
export interface ServedTime {
  /** Notes that this process is there and Postgres takes writes. To be called again and again. */
  note(): Promise<void>
  /** Reads it. */
  look(): Promise<Look>
  /** Forgets what no window reaches back to; returns how much. */
  sweep(): Promise<number>
}

export interface Look {
  /** Tells how long ago something was, outages left out. */
  back: TimeBack
  /**
   * Since when what is answered now may have waited, in milliseconds since the epoch: this process stood still, or could
   * not reach Postgres, and has only just come back.
   */
  waitingSince?: number | undefined
}

/**
 * The moment before now up to which there is as much time as this, in milliseconds since the epoch.
 * @param span milliseconds
 */
export type TimeBack = (span: number) => number

/** Milliseconds since the epoch. */
export interface Period {
  since: number
  until: number
}

export const ServedPeriodsTable = table('served_periods', {
  key: ['id'],
  columns: { id: column.text, since: column.time, until: column.time },
})

/** Milliseconds without a note that are no outage; more than twice the pause between two notes (server.ts). */
const unnoticed = 5000

/** Milliseconds. A window that an outage has interrupted for longer is over. */
const kept = 24 * 3600 * 1000

/** Time before the first period counts, as nothing is known of it. @param periods in any order, also overlapping */
export function timeBack(now: number, periods: readonly Period[]): TimeBack {
  const latest = periods.toSorted((one, other) => other.until - one.until)
  return (span) => {
    let left = span
    let at = now
    for (const { since, until } of latest) {
      if (at - until > unnoticed) at = until
      if (at - since >= left) break
      left -= Math.max(0, at - since)
      at = Math.min(at, since)
    }
    return at - left
  }
}

interface OwnPeriod extends Period {
  id: string
  /** The end of the one before. */
  before?: number | undefined
}

export function createServedTime({
  database,
  clock,
}: {
  database: Database
  clock: Clock
}): ServedTime {
  let own: OwnPeriod | undefined
  /** By a clock that never jumps. */
  let notedAt = -Infinity

  /** The period of this process that goes on, or a new one. */
  function current(): OwnPeriod {
    const until = clock.now()
    if (own && performance.now() - notedAt <= unnoticed) return { ...own, until }
    return { id: randomUUID(), since: until, until, before: own?.until }
  }

  return {
    async note() {
      const at = performance.now()
      const noted = current()
      await database.execute(
        `insert into served_periods (id, since, until) values ($1, $2, $3)
         on conflict (id) do update set until = greatest(served_periods.until, excluded.until)`,
        [noted.id, new Date(noted.since), new Date(noted.until)],
      )
      own = noted
      notedAt = at
    },
    async look() {
      const rows = await database.query<{ since: Date; until: Date }>(
        'select since, until from served_periods',
      )
      const { since, until: now, before } = current()
      const periods = rows.map((row) => ({
        since: row.since.getTime(),
        until: row.until.getTime(),
      }))
      // Who asks is served.
      const back = timeBack(now, [...periods, { since, until: now }])
      return { back, waitingSince: now - since < unnoticed ? before : undefined }
    },
    sweep: () =>
      sweepTable(database, {
        table: 'served_periods',
        key: ['id'],
        where: 'until < $1',
        before: clock.now() - kept,
      }),
  }
}
