import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, table } from '../storage/table.ts'

export const ClientSecretsTable = table('client_secrets', {
  key: ['tenant_id', 'client_id', 'hash'],
  columns: {
    tenant_id: column.text,
    client_id: column.text,
    hash: column.text,
    sealed: nullable(column.text),
    created_at: column.time,
    expires_at: nullable(column.time),
  },
  references: { client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']] },
})

export interface NewSecret {
  clientId: string
  hash: string
  sealed: string | undefined
}

export interface KnownSecret {
  hash: string
  isReadable: boolean
  /** Milliseconds since the epoch; infinite where it has no end. */
  expiresAt: number
}

export function createClientSecretStore({ database, clock }: { database: Database; clock: Clock }) {
  return {
    /** @returns rows written: none for a secret that is stored already, without an end and in the same form */
    async add(tenant: string, secrets: NewSecret[]): Promise<number> {
      if (secrets.length === 0) return 0
      return database.execute(
        `insert into client_secrets (tenant_id, client_id, hash, sealed, created_at)
         select $1, client_id, hash, sealed, $5::timestamptz
         from unnest($2::text[], $3::text[], $4::text[]) as s (client_id, hash, sealed)
         on conflict (tenant_id, client_id, hash) do update
           set expires_at = null, sealed = excluded.sealed
           where client_secrets.expires_at is not null
              or (client_secrets.sealed is null) <> (excluded.sealed is null)`,
        [
          tenant,
          secrets.map(({ clientId }) => clientId),
          secrets.map(({ hash }) => hash),
          secrets.map(({ sealed }) => sealed ?? null),
          new Date(clock.now()),
        ],
      )
    },

    /** All secrets of these clients, including expired ones. */
    async known(tenant: string, clientIds: string[]): Promise<Map<string, KnownSecret[]>> {
      const rows = await database.query<{
        client_id: string
        hash: string
        is_readable: boolean
        expires_at: Date | null
      }>(
        `select client_id, hash, sealed is not null as is_readable, expires_at from client_secrets
         where tenant_id = $1 and client_id = any($2)`,
        [tenant, clientIds],
      )
      const found = new Map<string, KnownSecret[]>(clientIds.map((id) => [id, []]))
      for (const { client_id, hash, is_readable: isReadable, expires_at } of rows) {
        found
          .get(client_id)
          ?.push({ hash, isReadable, expiresAt: expires_at?.getTime() ?? Infinity })
      }
      return found
    },

    /** Deletes the readable form of secrets that need only their hash. */
    forgetPlain(tenant: string, clientId: string): Promise<number> {
      return database.execute(
        `update client_secrets set sealed = null
         where tenant_id = $1 and client_id = $2 and sealed is not null`,
        [tenant, clientId],
      )
    },

    /** Lets every other secret end at a time, in milliseconds since the epoch; an earlier end stays. */
    retireOthers(tenant: string, clientId: string, kept: string, endsAt: number): Promise<number> {
      return database.execute(
        `update client_secrets set expires_at = $4
         where tenant_id = $1 and client_id = $2 and hash <> $3
           and (expires_at is null or expires_at > $4)`,
        [tenant, clientId, kept, new Date(endsAt)],
      )
    },

    deleteAll(tenant: string, clientId: string): Promise<number> {
      return database.execute(
        `delete from client_secrets where tenant_id = $1 and client_id = $2`,
        [tenant, clientId],
      )
    },
  }
}
