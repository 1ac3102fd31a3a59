import { randomUUID } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, table } from '../storage/table.ts'

/** The time during which any process could answer requests. Replay windows count only that (ADR 0008). */
export interface ServedTime {
  /** Notes that this process runs and Postgres takes writes. Must be called periodically. */
  note(): Promise<void>
  /** Reads the served time up to now. */
  look(): Promise<Look>
  /** Deletes periods that no window reaches back to. @returns how many */
  sweep(): Promise<number>
}

export interface Look {
  /** Converts a span of time into the moment when it began, outages left out. */
  back: TimeBack
  /**
   * Since when what is answered now may have waited, in milliseconds since the epoch: this process stood still, or could
   * not reach Postgres, and has only just come back.
   */
  waitingSince?: number | undefined
}

/** The moment since which this much time was served, in milliseconds since the epoch. @param span milliseconds */
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

/** Longest gap between two notes that is no outage, in milliseconds: more than twice their interval (upkeep.ts). */
const unnoticed = 5000

/** Milliseconds that periods are kept. A window that a longer outage interrupts is over. */
const kept = 24 * 3600 * 1000

/**
 * The gaps between periods, latest first; time before the first period is no gap.
 * @param periods in any order, may overlap
 */
export function outagesIn(periods: readonly Period[]): Period[] {
  const outages: Period[] = []
  let end = Infinity
  for (const { since, until } of periods.toSorted((one, other) => one.since - other.since)) {
    if (since - end > unnoticed) outages.unshift({ since: end, until: since })
    end = end === Infinity ? until : Math.max(end, until)
  }
  return outages
}

/** @param outages the latest first */
export function timeBack(now: number, outages: readonly Period[]): TimeBack {
  return (span) => {
    let left = span
    let at = now
    for (const { since, until } of outages) {
      if (at - until >= left) break
      left -= Math.max(0, at - until)
      at = Math.min(at, since)
    }
    return at - left
  }
}

/** A gap between periods, with the refreshes that were answered in it. */
interface Answered extends Period {
  /** The last refresh so near to its start that the earlier period may explain it. */
  last: Date | null
  /** The first later refresh. */
  first: Date | null
}

/**
 * Notes may be missing although requests were answered: an older release writes none, and a process may be late with
 * one. Refreshes show it: one in the middle proves that there was no outage, one near an end that it was shorter.
 */
function shortened({ since, until, last, first }: Answered): Period[] {
  if (first && first.getTime() < until - unnoticed) return []
  const left = { since: last?.getTime() ?? since, until: first?.getTime() ?? until }
  return left.until - left.since > unnoticed ? [left] : []
}

interface OwnPeriod extends Period {
  id: string
  /** The end of the previous period of this process. */
  before?: number | undefined
  /** `clock.steps` when it began. */
  steps: number
}

export function createServedTime({
  database,
  clock,
  monotonic = () => performance.now(),
}: Pick<Platform, 'database' | 'clock'> & {
  /** Milliseconds, of a clock that never jumps. */
  monotonic?: () => number
}): ServedTime {
  let own: OwnPeriod | undefined
  /** When `own` began or was last noted, by `monotonic`. */
  let seenAt = -Infinity

  /** Extends the period of this process, or begins a new one after a standstill. */
  function current(): OwnPeriod {
    const until = clock.now()
    // A suspension also stops the monotonic clock; `clock` jumps when it follows Postgres again.
    const goesOn =
      own !== undefined &&
      monotonic() - seenAt <= unnoticed &&
      (clock.steps === own.steps || until - own.until <= unnoticed)
    if (own && goesOn) return { ...own, until }
    const { steps } = clock
    return { id: randomUUID(), since: until, until, before: own?.until, steps }
  }

  /** Removes or shortens the gaps in which refreshes were answered. */
  async function confirmed(outages: readonly Period[]): Promise<Period[]> {
    if (outages.length === 0) return []
    const answered = await database.query<{ last: Date | null; first: Date | null }>(
      `select
         (select max(consumed_at) from refresh_tokens where consumed_at > o.since and consumed_at <= o.near) as last,
         (select min(consumed_at) from refresh_tokens where consumed_at > o.near and consumed_at < o.until) as first
       from unnest($1::timestamptz[], $2::timestamptz[], $3::timestamptz[])
         with ordinality as o (since, near, until, place) order by place`,
      [
        outages.map(({ since }) => new Date(since).toISOString()),
        outages.map(({ since }) => new Date(since + unnoticed).toISOString()),
        outages.map(({ until }) => new Date(until).toISOString()),
      ],
    )
    return outages.flatMap((outage, i) =>
      shortened({ ...outage, ...(answered[i] as (typeof answered)[number]) }),
    )
  }

  return {
    async note() {
      const at = monotonic()
      const noted = current()
      await database.execute(
        `insert into served_periods (id, since, until) values ($1, $2, $3)
         on conflict (id) do update set until = greatest(served_periods.until, excluded.until)`,
        [noted.id, new Date(noted.since), new Date(noted.until)],
      )
      own = noted
      seenAt = at
    },
    async look() {
      const rows = await database.query<{ since: Date; until: Date }>(
        'select since, until from served_periods',
      )
      const noted = rows.map(({ since, until }) => ({
        since: since.getTime(),
        until: until.getTime(),
      }))
      // A process that asks is serving.
      const now = current()
      if (now.id !== own?.id) {
        own = now
        seenAt = monotonic()
      }
      const { since, until, before } = now
      const outages = await confirmed(outagesIn([...noted, now]))
      const waitingSince = until - since < unnoticed ? before : undefined
      return { back: timeBack(until, outages), waitingSince }
    },
    sweep: () => sweepTable(database, ServedPeriodsTable, 'until < $1', clock.now() - kept),
  }
}
