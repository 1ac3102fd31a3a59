import { asciiLowerCase } from '../storage/ascii.ts'
import { countRows } from '../storage/count.ts'
import type { Database } from '../storage/database.ts'
import { pageStepwise, type SteppedPage } from '../storage/stepwise.ts'

/** A client as operators look at it; times in milliseconds since the epoch. */
export interface ClientView {
  clientId: string
  /** As stored, sound or not. */
  metadata: Record<string, unknown>
  disabled: boolean
  /** Unexpired secrets, the newest first; their values cannot be read. */
  secrets: Array<{ createdAt: number; expiresAt?: number }>
  createdAt: number
  updatedAt: number
  /** Whether only the client itself has declared it (RFC 7591). */
  selfRegistered: boolean
}

/** Filters a list of clients. */
export interface ClientFilter {
  /** A part of the `client_id` or the `client_name`; ASCII letters match in either case. */
  text?: string | undefined
  grantType?: string | undefined
  disabled?: boolean | undefined
}

interface Row {
  client_id: string
  metadata: Record<string, unknown>
  disabled: boolean
  created_at: Date
  updated_at: Date
  self_registered: boolean
  secrets: Array<{ created_at: string; expires_at: string | null }>
}

/** A subquery in place of `exists`, for which Postgres would read all registered clients for a page of clients. */
const selectViews = `
  select c.client_id, c.metadata, c.disabled_at is not null as disabled, c.created_at, c.updated_at,
    (select 1 from registered_clients r
      where r.tenant_id = c.tenant_id and r.client_id = c.client_id) is not null as self_registered, coalesce(
    (select jsonb_agg(jsonb_build_object('created_at', s.created_at, 'expires_at', s.expires_at)
       order by s.created_at desc, s.hash)
     from client_secrets s where s.tenant_id = c.tenant_id and s.client_id = c.client_id
       and (s.expires_at is null or s.expires_at > $2)), '[]') as secrets
  from clients c where c.tenant_id = $1`

/** Clients as operators look at them, disabled ones too; what requests need is in client.store.ts. */
export function createClientViews({ database }: { database: Database }) {
  return {
    count: (tenant: string) =>
      countRows(database, { table: 'clients', order: 'client_id' }, [tenant]),

    /**
     * Finds a client by its id: in this tenant, else in another, an enabled one first. Goes through the tenants, as no
     * index has the id alone.
     */
    async whereabouts(
      tenant: string,
      clientId: string,
    ): Promise<{ tenant: string; disabled: boolean } | undefined> {
      const [row] = await database.query<{ tenant: string; disabled: boolean }>(
        `select t.id as tenant, c.disabled_at is not null as disabled from tenants t
         join clients c on c.tenant_id = t.id and c.client_id = $2
         order by t.id <> $1, disabled, t.id limit 1`,
        [tenant, clientId],
      )
      return row
    },

    /** @param at now, in milliseconds @param lock whether changing the client waits for the transaction */
    async view(
      tenant: string,
      clientId: string,
      at: number,
      lock = false,
    ): Promise<ClientView | undefined> {
      const [row] = await database.query<Row>(
        `${selectViews} and c.client_id = $3${lock ? ' for no key update of c' : ''}`,
        [tenant, new Date(at), clientId],
      )
      return row && toView(row)
    },

    /** The existing clients among these ids. @param at now, in milliseconds */
    async named(tenant: string, ids: readonly string[], at: number): Promise<ClientView[]> {
      const rows = await database.query<Row>(
        `${selectViews} and c.client_id = any($3) order by c.client_id`,
        [tenant, new Date(at), ids],
      )
      return rows.map(toView)
    },

    /** In the order of their ids. @param at now, in milliseconds. @param page `after`: the last id of the page before */
    async page(
      tenant: string,
      { text, grantType, disabled }: ClientFilter,
      { at, ...page }: { at: number; after?: string | undefined; limit: number },
    ): Promise<SteppedPage<ClientView>> {
      // No condition on a parameter that may be null: the shared plan must still start at the key.
      const rowsIn = (after: string | undefined, upTo: string | undefined, limit: number) =>
        database.query<Row>(
          `${selectViews} and c.client_id > $3 ${upTo === undefined ? '' : 'and c.client_id <= $8'}
           and ($4::text is null or position($4 in lower(
             (c.client_id || ' ' || coalesce(c.metadata->>'client_name', '')) collate "C")) > 0)
           and ($5::text is null or c.metadata->'grant_types' ? $5)
           and ($6::boolean is null or (c.disabled_at is not null) = $6)
         order by c.client_id limit $7`,
          [
            tenant,
            new Date(at),
            after ?? '',
            text === undefined ? null : asciiLowerCase(text),
            grantType ?? null,
            disabled ?? null,
            limit,
            ...(upTo === undefined ? [] : [upTo]),
          ],
        )
      async function endOf(after: string | undefined, rows: number): Promise<string | undefined> {
        // A filter by the flag alone needs no bound.
        if ((text ?? grantType) === undefined) return undefined
        const [end] = await database.query<{ client_id: string }>(
          `select client_id from clients where tenant_id = $1 and client_id > $2
           order by client_id offset $3 limit 1`,
          [tenant, after ?? '', rows - 1],
        )
        return end?.client_id
      }
      const { rows, ...stopped } = await pageStepwise(page, endOf, rowsIn)
      return { rows: rows.map(toView), ...stopped }
    },
  }
}

export type ClientViews = ReturnType<typeof createClientViews>

const toView = (row: Row): ClientView => ({
  clientId: row.client_id,
  selfRegistered: row.self_registered,
  metadata: row.metadata,
  disabled: row.disabled,
  createdAt: row.created_at.getTime(),
  updatedAt: row.updated_at.getTime(),
  secrets: row.secrets.map(({ created_at, expires_at }) => ({
    createdAt: Date.parse(created_at),
    ...(expires_at === null ? {} : { expiresAt: Date.parse(expires_at) }),
  })),
})
