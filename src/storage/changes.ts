import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Database } from './database.ts'
import type { Notifications } from './notifications.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { sweepTable } from './sweep.ts'
import { column, table } from './table.ts'

/** Rows that nodes keep in memory. */
export type ChangedKind = 'client' | 'resource_server' | 'tenant'

/** Tenant, kind, subject, and when, as Postgres writes it. */
type Change = [string, ChangedKind, string, string]

export interface Follower {
  changed(tenant: string, subject: string): void
  /** Called instead when there were too many to name each. */
  muchChanged(): void
}

/**
 * What was changed on any node, so that caches forget it (ADR 0024). A trigger writes it as the change commits, whoever
 * makes it; a notification is heard at once, and a poll is the truth.
 */
export interface Changes {
  /**
   * Whether this process has heard of every change that was committed a second ago. Otherwise what it keeps in memory
   * tells nothing.
   */
  isFresh(): boolean
  /** Calls back for whatever of a kind was changed: once, as a rule. */
  follow(kind: ChangedKind, follower: Follower): void
  /** Hears of changes until `stop`. */
  start(): Promise<void>
  stop(): void
  /** Deletes what every node has heard of long ago; returns how many. */
  sweep(): Promise<number>
}

export const ChangesTable = table('changes', {
  key: ['tenant_id', 'kind', 'subject', 'changed_at'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    subject: column.text,
    changed_at: column.time,
    /** The number of the transaction. */
    changed_in: column.long,
  },
  index: { changed: ['changed_at'], changed_in: ['changed_in'] },
})

const channel = 'keyturn_changes'
/** Milliseconds between two polls. */
const pollEvery = 500
/** Milliseconds after which what was heard is too old. */
const freshFor = 1000
/**
 * A poll reads what the one before could not see, however long ago it was dated; and what was dated since, and a while
 * before: a standby that took the primary's place counts transactions from where it stood.
 */
const isNew = `changed_at > coalesce($1::timestamptz, now()) - interval '20 seconds'
  or (changed_in >= pg_snapshot_xmin($2::pg_snapshot)::text::bigint
    and not pg_visible_in_snapshot(changed_in::text::xid8, $2::pg_snapshot))`
/** Changes that one poll reads: after an import of many, everything is forgotten instead. */
const mostNamed = 10_000
/** Milliseconds. */
const keptFor = 3600 * 1000

export function createChanges({
  database,
  clock,
  log,
  notifications,
}: {
  database: Database
  clock: Clock
  log: Log
  notifications: Notifications
}): Changes {
  const followers: Array<[ChangedKind, Follower]> = []
  /**
   * `at` by the clock of Postgres and `seen`, the transactions it could see, as it wrote them; the others say how old
   * that is here, also after this machine stood still.
   */
  let heard: { at: string; seen: string; monotonic: number; now: number } | undefined
  /** Of the poll before: it looked at most of what this one looks at. */
  let told = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  function tell(changes: Change[]): void {
    const before = told
    told = new Set()
    for (const change of changes) {
      const key = JSON.stringify(change)
      told.add(key)
      if (before.has(key)) continue
      const [tenant, kind, subject] = change
      for (const [wanted, follower] of followers) {
        if (wanted === kind) follower.changed(tenant, subject)
      }
    }
  }

  async function load(): Promise<void> {
    const monotonic = performance.now()
    const now = clock.now()
    const [row] = await notifications.query<{ now: string; seen: string; changes: Change[] }>(
      `select now()::text as now, pg_current_snapshot()::text as seen, (
         select coalesce(jsonb_agg(jsonb_build_array(tenant_id, kind, subject, changed_at)), '[]') from (
           select tenant_id, kind, subject, changed_at from changes
           where ${isNew}
           limit ${mostNamed + 1}) c) as changes`,
      [heard?.at ?? null, heard?.seen ?? null],
    )
    if (!row) return
    if (row.changes.length > mostNamed) for (const [, follower] of followers) follower.muchChanged()
    else tell(row.changes)
    heard = { at: row.now, seen: row.seen, monotonic, now }
  }

  const hear = oneAtATime(load)

  function poll(): void {
    hear().catch((error: Error) => log.warn({ err: error }, 'changes not heard of'))
  }

  return {
    isFresh: () =>
      heard !== undefined &&
      performance.now() - heard.monotonic < freshFor &&
      Math.abs(clock.now() - heard.now) < freshFor,
    follow: (kind, follower) => void followers.push([kind, follower]),
    async start() {
      await load()
      if (timer) return
      notifications.listen(channel, poll)
      timer = setInterval(poll, pollEvery).unref()
    },
    stop() {
      clearInterval(timer)
      timer = undefined
      heard = undefined
    },
    sweep: () =>
      sweepTable(database, {
        table: 'changes',
        key: ['tenant_id', 'kind', 'subject', 'changed_at'],
        where: 'changed_at < $1',
        before: clock.now() - keptFor,
      }),
  }
}
