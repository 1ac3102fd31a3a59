import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { Message } from './message.ts'

const pending = 'delivered_at is null and failed_at is null'

export const OutboxTable = table('outbox', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    kind: column.text,
    destination: column.text,
    payload: column.json,
    created_at: column.time,
    next_at: column.time,
    leased_until: nullable(column.time),
    attempts: column.count,
    delivered_at: nullable(column.time),
    failed_at: nullable(column.time),
    last_error: nullable(column.text),
  },
  references: { tenant: ofTenant },
  index: {
    due: { columns: ['kind', 'destination', 'next_at'], where: pending },
    pending: { columns: ['destination', 'next_at'], where: pending },
    leased: {
      columns: ['destination', 'leased_until'],
      where: `${pending} and leased_until is not null`,
    },
    created: ['tenant_id', 'kind', 'created_at'],
    delivered: { columns: ['delivered_at'], where: 'delivered_at is not null' },
    failed: { columns: ['failed_at'], where: 'failed_at is not null' },
  },
})

/** Notifications on this channel wake the workers of every node. */
export const channel = 'keyturn_outbox'

/**
 * SQL: the destinations with pending messages, each found by one index lookup (loose index scan).
 * @param which condition on the messages
 */
function queues(which = 'true'): string {
  const next = (where: string) =>
    `select destination from outbox where ${pending} and ${which} and ${where} order by destination limit 1`
  return `queues as ((${next('true')}) union all
    select later.* from queues q cross join lateral (${next('destination > q.destination')}) later)`
}

/** How much a node may take now. */
export interface Appetite {
  kind: string
  /** Most messages in all. */
  most: number
  /** Most attempts in progress at one destination, including those of other nodes. */
  mostPerDestination: number
  /** Destinations to skip, as they did not answer a moment ago. */
  except: string[]
  /** Milliseconds after which another node may take a message that this one did not settle. */
  lease: number
}

/** A message leased to this node. */
export interface Taken extends Message {
  kind: string
  attempts: number
  createdAt: number
}

interface TakenRow {
  tenant_id: string
  id: string
  kind: string
  destination: string
  payload: Record<string, unknown>
  created_at: Date
  attempts: number
}

export function createOutboxStore({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())
  const after = (milliseconds: number) => new Date(clock.now() + milliseconds)

  return {
    async insert(kind: string, messages: Message[]): Promise<void> {
      await database.execute(
        `with written as (
           insert into outbox (tenant_id, id, kind, destination, payload, created_at, next_at, attempts)
           select tenant, id, $5, destination, payload::jsonb, $6, $6, 0
             from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as m (tenant, id, destination, payload)
           returning 1)
         select pg_notify('${channel}', '') from (select 1 from written limit 1) as any_row`,
        [
          messages.map(({ tenant }) => tenant),
          messages.map(({ id }) => id),
          messages.map(({ destination }) => destination),
          messages.map(({ payload }) => JSON.stringify(payload)),
          kind,
          now(),
        ],
      )
    },

    /**
     * Deletes messages that were given up, have failed before, or are for another destination; never one in progress.
     */
    async withdraw(
      tenant: string,
      kind: string,
      payload: Record<string, unknown>,
      destination: string,
    ): Promise<void> {
      await database.execute(
        `delete from outbox where tenant_id = $1 and kind = $2 and payload @> $3 and delivered_at is null
           and (failed_at is not null or attempts > 0 or destination <> $4)
           and (leased_until is null or leased_until <= $5)`,
        [tenant, kind, JSON.stringify(payload), destination, now()],
      )
    },

    /** Deletes undelivered messages; never one in progress. */
    async recall(tenant: string, kind: string, payload: Record<string, unknown>): Promise<void> {
      await database.execute(
        `delete from outbox where tenant_id = $1 and kind = $2 and payload @> $3 and delivered_at is null
           and (leased_until is null or leased_until <= $4)`,
        [tenant, kind, JSON.stringify(payload), now()],
      )
    },

    /** The values of one payload member, among the pending messages whose payloads contain the given members. */
    async pendingOf(
      tenant: string,
      kind: string,
      payload: Record<string, unknown>,
      member: string,
    ): Promise<Set<string>> {
      const rows = await database.query<{ value: string }>(
        `select payload->>$4 as value from outbox
         where tenant_id = $1 and kind = $2 and payload @> $3 and ${pending}`,
        [tenant, kind, JSON.stringify(payload), member],
      )
      return new Set(rows.map(({ value }) => value))
    },

    /**
     * `due`: a message is due or in progress; `waiting`: all pending messages are due later; `empty`: none is pending.
     */
    async state(): Promise<'due' | 'waiting' | 'empty'> {
      const [row] = await database.query<{ due: boolean; waiting: boolean }>(
        `with recursive ${queues()}
         select exists (select 1 from queues q where exists (
             select 1 from outbox
             where destination = q.destination and ${pending} and next_at <= $1)) as due,
           exists (select 1 from queues) as waiting`,
        [now()],
      )
      if (row?.due) return 'due'
      return row?.waiting ? 'waiting' : 'empty'
    },

    /**
     * Leases due messages to this node in one statement; rows that another node is taking at the same moment are
     * skipped. It walks the destinations by the index, so that a long queue at one does not hide the others.
     */
    async take(appetite: Appetite): Promise<Taken[]> {
      const rows = await database.query<TakenRow>(
        `with recursive ${queues('kind = $3')},
         due as materialized (
           select m.tenant_id, m.id from queues q cross join lateral (
             select tenant_id, id, next_at from outbox
             where kind = $3 and destination = q.destination and ${pending} and next_at <= $1
               and (leased_until is null or leased_until <= $1)
             order by next_at limit greatest(0, $4 - (
               select count(*) from outbox busy
               where busy.destination = q.destination and ${pending} and busy.leased_until > $1))
             for update skip locked) m
           where q.destination <> all($5) order by m.next_at limit $6)
         update outbox o set leased_until = $2, attempts = o.attempts + 1 from due
         where o.tenant_id = due.tenant_id and o.id = due.id
         returning o.tenant_id, o.id, o.kind, o.destination, o.payload, o.created_at, o.attempts`,
        [
          now(),
          after(appetite.lease),
          appetite.kind,
          appetite.mostPerDestination,
          appetite.except,
          appetite.most,
        ],
      )
      return rows.map((row) => ({
        tenant: row.tenant_id,
        id: row.id,
        kind: row.kind,
        destination: row.destination,
        payload: row.payload,
        createdAt: row.created_at.getTime(),
        attempts: row.attempts,
      }))
    },

    /**
     * Settles a message as delivered, even if its lease is over: it did arrive.
     * @returns false when it was settled already
     */
    async delivered({ tenant, id }: Message, forget = false): Promise<boolean> {
      if (forget) {
        const gone = await database.execute(
          'delete from outbox where tenant_id = $1 and id = $2 and delivered_at is null',
          [tenant, id],
        )
        return gone > 0
      }
      const changed = await database.execute(
        `update outbox set delivered_at = $3, leased_until = null, last_error = null
         where tenant_id = $1 and id = $2 and delivered_at is null`,
        [tenant, id, now()],
      )
      return changed > 0
    },

    /**
     * Records a failed attempt.
     * @returns false when a later attempt has begun
     * @param pause milliseconds; undefined to give up
     */
    async missed(
      { tenant, id, attempts }: Taken,
      reason: string,
      pause: number | undefined,
    ): Promise<boolean> {
      const changed = await database.execute(
        `update outbox set leased_until = null, last_error = $4, next_at = coalesce($5, next_at), failed_at = $6
         where tenant_id = $1 and id = $2 and attempts = $3 and ${pending}`,
        [
          tenant,
          id,
          attempts,
          reason,
          pause === undefined ? null : after(pause),
          pause === undefined ? now() : null,
        ],
      )
      return changed > 0
    },

    /** Pending messages by kind; a kind without any has a row, too. */
    async backlog(
      kinds: string[],
    ): Promise<{ kind: string; messages: number; oldest: Date | null }[]> {
      return database.query(
        `select k.kind, count(o.id)::int as messages, min(o.created_at) as oldest
         from unnest($1::text[]) as k (kind) left join outbox o on o.kind = k.kind and ${pending}
         group by k.kind`,
        [kinds],
      )
    },
  }
}
