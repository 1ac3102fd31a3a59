import type { Clock } from '../clock.ts'
import type { Database } from './database.ts'
import type { Moment, Poll, Question } from './poll.ts'
import { sweepTable } from './sweep.ts'
import { column, table } from './table.ts'

/** Kinds of rows that nodes cache in memory. */
export type ChangedKind = 'client' | 'resource_server' | 'tenant'

/** Tenant, kind, subject, and `changed_at` as Postgres prints it. */
type Change = [string, ChangedKind, string, string]

export interface Follower {
  changed(tenant: string, subject: string): void
  /** Called instead of `changed` when there were too many changes to list, or the server was replaced. */
  muchChanged(): void
}

/**
 * Changes made on any node, so that caches can drop what is outdated (ADR 0024). A database trigger records every
 * change, whoever makes it: at commit, or earlier where there are many (`settleChanges` of `apply`). A notification
 * reports a change at once. The poll is authoritative: it finds every change, however late its transaction commits.
 */
export interface Changes {
  /**
   * Whether this process knows every change that was committed more than a second ago. If not, its caches must not be
   * used.
   */
  isFresh(): boolean
  /** Calls back for each change of a kind; once per change, as a rule. */
  follow(kind: ChangedKind, follower: Follower): void
  /** Follows changes until `stop`. */
  start(): Promise<void>
  stop(): void
  /** Deletes changes that every node has seen long ago. @returns how many */
  sweep(): Promise<number>
}

export const ChangesTable = table('changes', {
  key: ['tenant_id', 'kind', 'subject', 'changed_at'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    subject: column.text,
    changed_at: column.time,
    /** Id of the transaction that wrote the row (`xid8`). */
    changed_in: column.long,
  },
  index: { changed: ['changed_at'], changed_in: ['changed_in'] },
})

const channel = 'keyturn_changes'
/** Milliseconds after which the last poll is too old to trust the caches. */
const freshFor = 1000
/**
 * SQL condition of a poll: rows whose transaction the previous poll's snapshot (`$2`) could not see, however early they
 * are dated, and rows dated since 20 seconds before the previous poll (`$1`).
 */
const isNew = `changed_at > coalesce($1::timestamptz, now()) - interval '20 seconds'
  or (changed_in >= pg_snapshot_xmin($2::pg_snapshot)::text::bigint
    and not pg_visible_in_snapshot(changed_in::text::xid8, $2::pg_snapshot))`
/** Most changes that one poll lists. Beyond that, as after a large import, caches are cleared. */
const mostNamed = 10_000
/** Milliseconds. */
const keptFor = 3600 * 1000

export function createChanges({
  database,
  clock,
  poll,
}: {
  database: Database
  clock: Clock
  poll: Poll
}): Changes {
  const followers: Array<[ChangedKind, Follower]> = []
  /**
   * The last poll: when it was asked, the time in Postgres (as printed), the snapshot that it saw, and the start time
   * of the server that answered.
   */
  let heard: (Moment & { databaseTime: string; seen: string; server: string }) | undefined
  /** The last answer. The next one is usually identical and then need not be parsed. */
  let lastAnswer = ''
  /** The changes of the previous poll, whose window overlaps with that of the current one. */
  let told = new Set<string>()
  let leave: (() => void) | undefined

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

  const question: Question = {
    channel,
    sql: `select extract(epoch from pg_postmaster_start_time())::text || ' ' || pg_current_snapshot()::text || ' ' || coalesce((
            select json_agg(json_build_array(tenant_id, kind, subject, changed_at))::text from (
              select tenant_id, kind, subject, changed_at from changes where ${isNew} limit ${mostNamed + 1}) c), '[]')`,
    parameters: () => [heard?.databaseTime ?? null, heard?.seen ?? null],
    heard(text, asked, databaseTime) {
      const [, server = '', seen = '', answer = '[]'] = /^(\S+) (\S+) (.*)$/s.exec(text ?? '') ?? []
      const isOther = heard !== undefined && heard.server !== server
      if (answer !== lastAnswer || isOther) {
        const changes = JSON.parse(answer) as Change[]
        const isCut = changes.length > mostNamed
        // The snapshot of another server says nothing about this one, which may reuse the same transaction ids.
        if (isCut || isOther) for (const [, follower] of followers) follower.muchChanged()
        else tell(changes)
        // After a truncated list an identical answer does not mean that nothing is new: the new rows may be those cut
        // off.
        lastAnswer = isCut ? '' : answer
      }
      heard = { ...asked, databaseTime, seen, server }
    },
  }

  return {
    isFresh: () =>
      heard !== undefined &&
      heard.steps === clock.steps &&
      performance.now() - heard.monotonic < freshFor &&
      Math.abs(clock.now() - heard.at) < freshFor,
    follow: (kind, follower) => void followers.push([kind, follower]),
    async start() {
      leave ??= poll.join(question)
      await poll.now()
    },
    stop() {
      leave?.()
      leave = undefined
      heard = undefined
    },
    sweep: () => sweepTable(database, ChangesTable, 'changed_at < $1', clock.now() - keptFor),
  }
}
