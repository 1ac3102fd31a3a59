import type { Clock } from '../clock.ts'
import type { Database } from './database.ts'
import type { Moment, Poll, Question } from './poll.ts'
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
 * What was changed on any node, so that caches forget it (ADR 0024). A trigger writes it, whoever makes the change: as it
 * commits, or before where there are many (`settleChanges` of `apply`). A notification is heard at once, and a poll is the
 * truth, however long after it was written a change commits.
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
/** Milliseconds after which what was heard is too old. */
const freshFor = 1000
/**
 * A poll reads what the one before could not see, however long ago it was dated; and what was dated since, and a while
 * before.
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
  poll,
}: {
  database: Database
  clock: Clock
  poll: Poll
}): Changes {
  const followers: Array<[ChangedKind, Follower]> = []
  /**
   * When it was heard last, and what time it was in Postgres and which transactions could be seen, as it wrote them; and
   * since when that server ran.
   */
  let heard: (Moment & { databaseTime: string; seen: string; server: string }) | undefined
  /** The last answer: the next one is the same, as a rule, and need not be parsed. */
  let lastAnswer = ''
  /** The changes of the poll before, which looked at most of what this one looks at. */
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
        // What the other could see tells nothing of this one, whose transactions may have the same numbers.
        if (isCut || isOther) for (const [, follower] of followers) follower.muchChanged()
        else tell(changes)
        // The same again would not say that nothing has come: what has come may be what was cut off.
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
