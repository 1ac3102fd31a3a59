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

export function createClientSecretStore({ database, clock }: { database: Database; clock: Clock }) {
  return {
    /** @returns rows written: none when the secret is known already, and in the same form */
    add(
      tenant: string,
      clientId: string,
      { hash, sealed }: { hash: string; sealed: string | undefined },
    ): Promise<number> {
      return database.execute(
        `insert into client_secrets (tenant_id, client_id, hash, sealed, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (tenant_id, client_id, hash) do update
           set expires_at = null, sealed = excluded.sealed
           where client_secrets.expires_at is not null
              or (client_secrets.sealed is null) <> (excluded.sealed is null)`,
        [tenant, clientId, hash, sealed ?? null, new Date(clock.now())],
      )
    },

    async has(tenant: string, clientId: string, kind: 'hashed' | 'readable') {
      const rows = await database.query(
        `select 1 from client_secrets
         where tenant_id = $1 and client_id = $2 and (sealed is not null or $3)`,
        [tenant, clientId, kind === 'hashed'],
      )
      return rows.length > 0
    },

    /** Forgets the plain form of secrets whose hash is enough. */
    forgetPlain(tenant: string, clientId: string): Promise<number> {
      return database.execute(
        `update client_secrets set sealed = null
         where tenant_id = $1 and client_id = $2 and sealed is not null`,
        [tenant, clientId],
      )
    },

    /** Lets every other secret end at a time, in milliseconds; one that ends sooner keeps its end. */
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
