import type { Clock } from '../clock.ts'
import { present } from '../present.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { Client, ClientMetadata, ClientSecret } from './client.ts'

export const ClientsTable = table('clients', {
  key: ['tenant_id', 'client_id'],
  columns: {
    tenant_id: column.text,
    client_id: column.text,
    metadata: column.json,
    created_at: column.time,
    updated_at: column.time,
    disabled_at: nullable(column.time),
  },
  references: { tenant: ofTenant },
  index: { disabled: { columns: ['tenant_id', 'client_id'], where: 'disabled_at IS NOT NULL' } },
})

interface ClientRow {
  client_id: string
  metadata: unknown
  self_registered: boolean
  from_document: boolean
  secrets: Array<{ hash: string; sealed: string | null; expires_at: string | null }>
}

const selectClients = `
  select c.client_id, c.metadata, exists (select 1 from registered_clients r
      where r.tenant_id = c.tenant_id and r.client_id = c.client_id) as self_registered,
    exists (select 1 from client_documents d
      where d.tenant_id = c.tenant_id and d.client_id = c.client_id) as from_document, coalesce(
    (select jsonb_agg(jsonb_build_object('hash', s.hash, 'sealed', s.sealed, 'expires_at', s.expires_at)
       order by s.created_at desc)
     from client_secrets s where s.tenant_id = c.tenant_id and s.client_id = c.client_id), '[]') as secrets
  from clients c where c.tenant_id = $1 and c.disabled_at is null`

export function createClientStore({ database, clock }: { database: Database; clock: Clock }) {
  const toClient = (tenant: string, row: ClientRow): Client => ({
    tenant,
    clientId: row.client_id,
    metadata: row.metadata,
    ...(row.self_registered ? { selfRegistered: true } : {}),
    ...(row.from_document ? { fromDocument: true } : {}),
    secrets: row.secrets.map(
      (secret): ClientSecret => ({
        hash: secret.hash,
        ...present({ sealed: secret.sealed }),
        ...(secret.expires_at === null ? {} : { expiresAt: Date.parse(secret.expires_at) }),
      }),
    ),
  })

  return {
    /** Enabled clients only: a disabled one is unknown to every endpoint. */
    async find(tenant: string, clientId: string): Promise<Client | undefined> {
      const [row] = await database.query<ClientRow>(`${selectClients} and c.client_id = $2`, [
        tenant,
        clientId,
      ])
      return row && toClient(tenant, row)
    },

    /** In the order of their ids. */
    async page(
      tenant: string,
      { after = '', limit }: { after?: string | undefined; limit: number },
    ): Promise<Client[]> {
      const rows = await database.query<ClientRow>(
        `${selectClients} and c.client_id > $2 order by c.client_id limit $3`,
        [tenant, after, limit],
      )
      return rows.map((row) => toClient(tenant, row))
    },

    /**
     * Writes clients, each id once. The first change of a client that registered before its own metadata was kept also
     * notes the stored metadata as its own.
     * @param only `new`: existing clients stay as they are
     * @returns the ids of those written; without those whose metadata is the same already
     */
    async put(tenant: string, clients: ClientMetadata[], only?: 'new'): Promise<Set<string>> {
      const rows = await database.query<{ client_id: string }>(
        `with own_word as (
           update registered_clients r set metadata = c.metadata from clients c
           where r.tenant_id = $1 and r.client_id = any($2) and r.metadata is null
             and c.tenant_id = r.tenant_id and c.client_id = r.client_id)
         insert into clients (tenant_id, client_id, metadata, created_at, updated_at)
           select $1, client_id, metadata::jsonb, $4, $4
           from unnest($2::text[], $3::text[]) as declared (client_id, metadata)
         on conflict (tenant_id, client_id) do update
           set metadata = excluded.metadata, updated_at = excluded.updated_at
           where clients.metadata <> excluded.metadata and not $5
         returning client_id`,
        [
          tenant,
          clients.map(({ client_id }) => client_id),
          clients.map((metadata) => JSON.stringify(metadata)),
          new Date(clock.now()),
          only === 'new',
        ],
      )
      return new Set(rows.map(({ client_id }) => client_id))
    },

    /** @returns rows changed: none if the client is in that state already */
    setDisabled(tenant: string, clientId: string, disabled: boolean): Promise<number> {
      return database.execute(
        `update clients set disabled_at = $3, updated_at = $4
         where tenant_id = $1 and client_id = $2 and (disabled_at is not null) <> $5`,
        [
          tenant,
          clientId,
          disabled ? new Date(clock.now()) : null,
          new Date(clock.now()),
          disabled,
        ],
      )
    },

    async isDisabled(tenant: string, clientId: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from clients where tenant_id = $1 and client_id = $2 and disabled_at is not null`,
        [tenant, clientId],
      )
      return rows.length > 0
    },

    /** Locks those that exist until the transaction ends: nothing can start under them. @returns their ids */
    async lock(tenant: string, clientIds: string[]): Promise<string[]> {
      const rows = await database.query<{ client_id: string }>(
        `select client_id from clients where tenant_id = $1 and client_id = any($2) order by client_id for update`,
        [tenant, clientIds],
      )
      return rows.map(({ client_id }) => client_id)
    },

    delete(tenant: string, clientIds: string[]): Promise<number> {
      return database.execute(`delete from clients where tenant_id = $1 and client_id = any($2)`, [
        tenant,
        clientIds,
      ])
    },

    /** Stored metadata by id, of those that exist, disabled ones included. */
    async metadata(tenant: string, clientIds: string[]): Promise<Map<string, unknown>> {
      const rows = await database.query<{ client_id: string; metadata: unknown }>(
        `select client_id, metadata from clients where tenant_id = $1 and client_id = any($2)`,
        [tenant, clientIds],
      )
      return new Map(rows.map(({ client_id, metadata }) => [client_id, metadata]))
    },

    async exists(tenant: string, clientId: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from clients where tenant_id = $1 and client_id = $2`,
        [tenant, clientId],
      )
      return rows.length > 0
    },
  }
}
