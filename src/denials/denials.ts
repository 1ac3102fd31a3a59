import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { chunksOf } from '../storage/chunks.ts'
import type { Moment, Poll, Question } from '../storage/poll.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import { createDenyList, type DenyListEntry, type Since } from './deny-list.ts'

/** What a self-contained access token can be denied by. */
export type DenialKind = 'jti' | 'family' | 'grant' | 'session' | 'account' | 'client' | 'tenant'

export interface Denial {
  kind: DenialKind
  subject: string
  /**
   * Whether nothing may ever be issued under the subject again. Then every token is denied, whatever its `iat`: the
   * clocks of nodes need not agree. Always so for `jti`, `family` and `grant`.
   */
  forGood?: boolean
  /** Extends the denial by these milliseconds, during which nodes that do not know it yet may still issue tokens. */
  unheardFor?: number
  /** The resource servers that have such tokens; absent if they are unknown, empty if no API is notified. */
  audiences?: readonly string[] | undefined
}

/** Milliseconds after a change within which a node may not know of it, and may still issue tokens. */
export const unheardFor = 1000

/** Denies what a client got up to now, and what nodes that do not know the denial yet still issue. */
export const denialOfClient = (clientId: string): Denial => ({
  kind: 'client',
  subject: clientId,
  unheardFor,
})

/** What this node knows of the denials that concern an audience. */
export interface KnownDenials {
  /** Milliseconds since the epoch: every revocation that was answered by then is known. */
  asOf: number
  /** The number of the entry that came to this node last. */
  arrived: number
  entries: DenyListEntry[]
}

/**
 * Access tokens that are void before they expire. An entry is in Postgres before the request that caused it is answered
 * (architecture §7), and lives as long as the longest token that it can match. Every node keeps all live entries in
 * memory from its start on, refreshed by notification and by a poll.
 */
export interface Denials {
  /** Denies every token issued up to now that one of these names. */
  add(tenant: string, denials: Denial[]): Promise<void>
  /**
   * Whether any of these denials is in force for a token. Reads only memory.
   * @param issuedAt the token's `iat`, in seconds
   * @throws DomainError `deny_list_stale` when the list is too old to tell
   */
  anyDenies(tenant: string, denials: Denial[], issuedAt: number): boolean
  /**
   * The entries that concern an audience, for APIs that keep a copy. Reads memory alone.
   * @throws DomainError `deny_list_stale` as above
   */
  known(tenant: string, audience: string, since?: Since): KnownDenials
  /** Up to when whatever was revoked is known, in milliseconds since the epoch. @throws as above */
  asOf(): number
  /** The number of the entry that came to this node last. */
  arrived(): number
  /**
   * The `iat` up to which tokens are denied, in milliseconds since the epoch; undefined if none are, or all are
   * permanently. Queries Postgres: this node may not know the denial yet.
   */
  deniedUntil(tenant: string, denial: Pick<Denial, 'kind' | 'subject'>): Promise<number | undefined>
  /** Reads new entries from Postgres; the list is then as new as this call. */
  refresh(): Promise<void>
  /** Calls back with the tenants that have new entries. @returns ends that */
  onChange(heard: (tenants: ReadonlySet<string>) => void): () => void
  /** Loads the list, then keeps it fresh until `stop`. */
  start(): Promise<void>
  stop(): void
  /** Deletes entries that no live token can match, in batches. @returns how many */
  sweep(): Promise<number>
}

export const DenialsTable = table('denials', {
  key: ['tenant_id', 'kind', 'subject'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    subject: column.text,
    not_before: column.time,
    created_at: column.time,
    expires_at: column.time,
    audiences: nullable(column.texts),
  },
  references: { tenant: ofTenant },
  index: { expires: ['expires_at'], created: ['created_at'] },
})

/** Seconds: the longest access token lifetime, the engine's clock tolerance, and how far clocks may be apart. */
export const longestToken = 900 + 15 + 300
const channel = 'keyturn_denials'

const endsForGood: ReadonlySet<DenialKind> = new Set(['jti', 'family', 'grant'])

/**
 * Milliseconds that a poll overlaps with the one before: a transaction may commit an entry some time after writing it.
 * Longer than the statement timeout.
 */
export const overlap = 20_000
/**
 * Milliseconds after which all live entries are read again. A commit can become visible later than the overlap covers:
 * Postgres may wait for a synchronous replica, or its machine may stall; and a node adds its own entry only once it
 * learns that the commit succeeded.
 */
const rereadEvery = 60_000
const notReread = 'could not reload the deny-list'
/** Page size, in entries, when all are read. */
const mostRead = 10_000

/** An entry as Postgres writes it: tenant, kind, subject, and when in milliseconds; null is never, or not known. */
type Written = [string, DenialKind, string, number | null, number, number, string[] | null]

const millisecondsOf = (time: string) => `round(extract(epoch from ${time}) * 1000)`
const written = `json_build_array(tenant_id, kind, subject,
  case when not_before < 'infinity' then ${millisecondsOf('not_before')} end,
  ${millisecondsOf('created_at')}, ${millisecondsOf('expires_at')}, audiences)`

function entryOf([tenant, kind, subject, notBefore, ...rest]: Written): DenyListEntry {
  const [createdAt, expiresAt, audiences] = rest
  return {
    tenant,
    kind,
    subject,
    notBefore: notBefore ?? Infinity,
    createdAt,
    expiresAt,
    audiences: audiences ?? undefined,
  }
}

export function createDenials({
  database,
  clock,
  log,
  metrics,
  poll,
  maxStaleness,
  pageSize = mostRead,
}: Pick<Platform, 'database' | 'clock' | 'log' | 'metrics'> & {
  poll: Poll
  /** Most seconds since the last refresh; an older list throws `deny_list_stale`. */
  maxStaleness: number
  pageSize?: number
}): Denials {
  const list = createDenyList(overlap)
  const listeners = new Set<(tenants: ReadonlySet<string>) => void>()
  /** Tenants with new entries that listeners have not been given yet: they are notified once the list is as new. */
  const news = new Set<string>()
  let refreshed: Moment | undefined
  /** When all entries were last read, by `clock`. */
  let reread = -Infinity
  let reading: Promise<void> | undefined
  /** The answer of the last poll: the next one is the same, as a rule, and need not be parsed. */
  let lastAnswer: string | null = null
  let leave: (() => void) | undefined

  /** Milliseconds. */
  const age = () => (refreshed === undefined ? Infinity : performance.now() - refreshed.monotonic)
  metrics.gauge('keyturn_denylist_entries', () => [[{}, list.size()]])
  metrics.gauge('keyturn_denylist_age_seconds', () => [[{}, age() / 1000]])

  /** @returns milliseconds since the epoch; entries written before then have been read already */
  const lookedFor = () => (refreshed === undefined ? 0 : refreshed.at - overlap)

  const question: Question = {
    channel,
    sql: `select json_agg(${written} order by created_at)::text
      from denials where created_at > $1 and expires_at > $2`,
    parameters: ({ at }) => [new Date(lookedFor()).toISOString(), new Date(at).toISOString()],
    heard(answer, asked) {
      const { at } = asked
      if (answer !== lastAnswer) put(JSON.parse(answer ?? '[]') as Written[], at)
      lastAnswer = answer
      list.expire(at)
      refreshed = asked
      if (news.size > 0) tell()
      if (leave) rereadDue().catch((error: Error) => log.warn({ err: error }, notReread))
    },
  }

  function put(found: Written[], cameAt: number): void {
    const changed = list.put(found.map(entryOf), { before: lookedFor(), cameAt })
    for (const tenant of changed) news.add(tenant)
  }

  /**
   * Reads all entries by a pool connection to a server that takes writes, so that a long list delays no poll. Reads
   * page by page: a client that is removed may leave a hundred thousand entries.
   */
  async function readAll(): Promise<void> {
    const now = clock.now()
    const asked = { at: now, monotonic: performance.now(), steps: clock.steps }
    const found: Written[] = []
    for (;;) {
      const [tenant = '', kind = '', subject = ''] = found.at(-1) ?? []
      const page = await database.queryPrimary<{ entry: Written }>(
        `select ${written} as entry from denials
         where (tenant_id, kind, subject) > ($1, $2, $3) and expires_at > $4
         order by tenant_id, kind, subject limit ${pageSize}`,
        [tenant, kind, subject, new Date(now)],
      )
      for (const { entry } of page) found.push(entry)
      if (page.length < pageSize) break
    }
    // Late entries are dated by the end of the read: listeners may have received the list up to then. Entries that
    // expired during the read must not come back.
    const end = clock.now()
    const living = found.filter(([, , , , , expiresAt]) => expiresAt > end)
    put(
      living.toSorted((one, other) => one[4] - other[4]),
      end,
    )
    list.expire(end)
    reread = now
    refreshed ??= asked
  }

  async function rereadDue(): Promise<void> {
    if (refreshed !== undefined && Math.abs(clock.now() - reread) < rereadEvery) return
    reading ??= readAll().finally(() => {
      reading = undefined
    })
    await reading
  }

  function tell(): void {
    const tenants = new Set(news)
    news.clear()
    for (const heard of listeners) heard(tenants)
  }

  function putOwn(entries: DenyListEntry[]): void {
    for (const tenant of list.put(entries)) news.add(tenant)
    // Without notifications, listeners would wait for the next poll.
    if (leave && listeners.size > 0 && news.size > 0) {
      refresh().catch((error: Error) =>
        log.warn({ err: error }, 'could not read changes from Postgres'),
      )
    }
  }

  function assertFresh(): number {
    const old = age()
    if (refreshed === undefined || old > maxStaleness * 1000) {
      throw new DomainError('deny_list_stale', {
        detail: { expected: `at most ${maxStaleness} s old`, milliseconds: Math.round(old) },
      })
    }
    // The machine may have paused, and `age` with it: what was revoked or has expired during the pause is unknown.
    if (clock.steps !== refreshed.steps) {
      const detail = 'the clock was changed and has not been compared with Postgres yet'
      throw new DomainError('deny_list_stale', { detail })
    }
    return refreshed.at
  }

  async function refresh(): Promise<void> {
    if (refreshed === undefined) await rereadDue()
    await poll.now()
    await rereadDue()
  }

  async function write(tenant: string, denials: Denial[]): Promise<void> {
    const now = clock.now()
    const own = denials.map((denial): DenyListEntry => {
      const forGood = denial.forGood ?? endsForGood.has(denial.kind)
      const notBefore = forGood ? Infinity : now + (denial.unheardFor ?? 0)
      const { kind, subject, audiences } = denial
      const expiresAt = now + longestToken * 1000
      return { tenant, kind, subject, notBefore, createdAt: now, expiresAt, audiences }
    })
    await database.execute(
      `with written as (
         insert into denials (tenant_id, kind, subject, not_before, created_at, expires_at, audiences)
         select distinct on (kind, subject) $1, kind, subject, not_before, $5::timestamptz, $6::timestamptz,
             case when audiences is not null then array(select jsonb_array_elements_text(audiences::jsonb)) end
           from unnest($2::text[], $3::text[], $4::timestamptz[], $7::text[])
             as t (kind, subject, not_before, audiences)
           order by kind, subject, not_before desc
         on conflict (tenant_id, kind, subject) do update set
           not_before = greatest(denials.not_before, excluded.not_before),
           created_at = greatest(denials.created_at, excluded.created_at),
           expires_at = greatest(denials.expires_at, excluded.expires_at),
           audiences = case when denials.audiences is not null and excluded.audiences is not null
             then array(select distinct unnest(denials.audiences || excluded.audiences)) end
         returning 1)
       select pg_notify('${channel}', '') from (select 1 from written limit 1) as any_row`,
      [
        tenant,
        own.map(({ kind }) => kind),
        own.map(({ subject }) => subject),
        own.map(({ notBefore }) =>
          notBefore === Infinity ? 'infinity' : new Date(notBefore).toISOString(),
        ),
        new Date(now),
        new Date(now + longestToken * 1000),
        own.map(({ audiences }) => (audiences === undefined ? null : JSON.stringify(audiences))),
      ],
    )
    await database.afterCommit(async () => putOwn(own))
  }

  return {
    async add(tenant, denials) {
      if (denials.length === 0) return
      const unit = database.current()
      // Just before COMMIT: an entry that is written long before it becomes visible would escape the poll of other
      // nodes.
      for (const some of chunksOf(denials)) {
        if (unit?.isOpen()) unit.beforeCommit(() => write(tenant, some))
        else await write(tenant, some)
      }
    },

    anyDenies(tenant, denials, issuedAt) {
      assertFresh()
      return list.denies(tenant, denials, issuedAt)
    },

    async deniedUntil(tenant, { kind, subject }) {
      const [row] = await database.query<{ until: number }>(
        `select ${millisecondsOf('not_before')}::float8 as until from denials
         where tenant_id = $1 and kind = $2 and subject = $3 and not_before < 'infinity'`,
        [tenant, kind, subject],
      )
      return row?.until
    },

    known(tenant, audience, since = {}) {
      const asOf = assertFresh()
      return { asOf, arrived: list.arrived(), entries: list.concerning(tenant, audience, since) }
    },
    asOf: assertFresh,
    arrived: list.arrived,
    refresh,
    onChange(heard) {
      listeners.add(heard)
      return () => void listeners.delete(heard)
    },

    async start() {
      if (refreshed === undefined) await rereadDue()
      leave ??= poll.join(question)
      await refresh()
    },
    stop() {
      leave?.()
      leave = undefined
    },

    sweep: () => sweepTable(database, DenialsTable, 'expires_at <= $1', clock.now()),
  }
}
