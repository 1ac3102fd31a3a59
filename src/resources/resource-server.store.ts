import type { Platform } from '../platform.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { ResourceServer } from './resource-server.ts'

export const ResourceServersTable = table('resource_servers', {
  key: ['tenant_id', 'identifier'],
  columns: {
    tenant_id: column.text,
    identifier: column.text,
    name: nullable(column.text),
    scopes: column.texts,
    access_token_format: column.text,
    access_token_signing_alg: column.text,
    introspection_clients: column.texts,
    is_default: column.flag,
    open: column.flag,
    created_at: column.time,
    updated_at: column.time,
  },
  references: { tenant: ofTenant },
  index: { default: { columns: ['tenant_id'], unique: true, where: 'is_default' } },
})

type Row = Omit<ResourceServer, 'default' | 'name'> & { is_default: boolean; name: string | null }

/** A resource server as operators see it; times in milliseconds since the epoch. */
export interface ResourceServerView extends ResourceServer {
  createdAt: number
  updatedAt: number
}

const columns = `identifier, name, scopes, access_token_format, access_token_signing_alg, introspection_clients,
  is_default, open`

function toServer({ is_default, name, ...row }: Row): ResourceServer {
  return { ...row, ...(name === null ? {} : { name }), default: is_default }
}

export function createResourceServerStore({
  database,
  clock,
}: Pick<Platform, 'database' | 'clock'>) {
  return {
    async list(tenant: string): Promise<ResourceServer[]> {
      const rows = await database.query<Row>(
        `select ${columns} from resource_servers where tenant_id = $1 order by identifier`,
        [tenant],
      )
      return rows.map(toServer)
    },

    /** By identifier. @param after the last one of the previous page */
    async page(
      tenant: string,
      {
        identifier,
        after,
        limit,
        lock,
      }: { identifier?: string; after?: string | undefined; limit: number; lock?: boolean },
    ): Promise<ResourceServerView[]> {
      const rows = await database.query<Row & { created_at: Date; updated_at: Date }>(
        `select ${columns}, created_at, updated_at from resource_servers
         where tenant_id = $1 and ($2::text is null or identifier = $2) and ($3::text is null or identifier > $3)
         order by identifier limit $4 ${lock ? 'for no key update' : ''}`,
        [tenant, identifier ?? null, after ?? null, limit],
      )
      return rows.map(({ created_at, updated_at, ...row }) => ({
        ...toServer(row),
        createdAt: created_at.getTime(),
        updatedAt: updated_at.getTime(),
      }))
    },

    delete(tenant: string, identifier: string): Promise<number> {
      return database.execute(
        'delete from resource_servers where tenant_id = $1 and identifier = $2',
        [tenant, identifier],
      )
    },

    /**
     * @param only `new`: does not change an existing one
     * @returns rows written: 0 when everything is as declared already
     */
    put(tenant: string, server: ResourceServer, only?: 'new'): Promise<number> {
      return database.execute(
        `insert into resource_servers as r (tenant_id, identifier, name, scopes, access_token_format,
           access_token_signing_alg, introspection_clients, is_default, open, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
         on conflict (tenant_id, identifier) do update set name = excluded.name, scopes = excluded.scopes,
           access_token_format = excluded.access_token_format,
           access_token_signing_alg = excluded.access_token_signing_alg,
           introspection_clients = excluded.introspection_clients, is_default = excluded.is_default,
           open = excluded.open, updated_at = excluded.updated_at
         where (r.name, r.scopes, r.access_token_format, r.access_token_signing_alg, r.introspection_clients,
             r.is_default, r.open)
           is distinct from (excluded.name, excluded.scopes, excluded.access_token_format,
             excluded.access_token_signing_alg, excluded.introspection_clients, excluded.is_default, excluded.open)
           and not $11`,
        [
          tenant,
          server.identifier,
          server.name ?? null,
          server.scopes,
          server.access_token_format,
          server.access_token_signing_alg,
          server.introspection_clients,
          server.default,
          server.open,
          new Date(clock.now()),
          only === 'new',
        ],
      )
    },

    /** Serialises changes of the default, until the transaction ends. */
    async lockDefault(tenant: string): Promise<void> {
      await database.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [
        `keyturn default resource server ${tenant}`,
      ])
    },

    clearDefault(tenant: string, except: string): Promise<number> {
      return database.execute(
        `update resource_servers set is_default = false, updated_at = $3
         where tenant_id = $1 and is_default and identifier <> $2`,
        [tenant, except, new Date(clock.now())],
      )
    },
  }
}
