import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'

/** Initial access tokens and registration access tokens (RFC 7591 §3, RFC 7592 §3): by the hash of their handle. */
export interface RegistrationTokens {
  find(tenant: string, kind: string, hash: string): Promise<Record<string, unknown> | undefined>
  put(tenant: string, token: RegistrationToken): Promise<void>
  delete(tenant: string, kind: string, hash: string): Promise<void>
  /** Deletes tokens that have expired; returns how many. */
  sweep(): Promise<number>
}

export interface RegistrationToken {
  kind: string
  hash: string
  clientId?: string | undefined
  payload: Record<string, unknown>
  /** Milliseconds since the epoch; absent for one without an end. */
  expiresAt?: number | undefined
}

export const RegistrationTokensTable = table('registration_tokens', {
  key: ['tenant_id', 'kind', 'token_hash'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    token_hash: column.text,
    client_id: nullable(column.text),
    payload: column.json,
    created_at: column.time,
    expires_at: nullable(column.time),
  },
  references: {
    tenant: ofTenant,
    client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
  },
  index: {
    client: { columns: ['tenant_id', 'client_id'], where: 'client_id is not null' },
    expires: { columns: ['expires_at'], where: 'expires_at is not null' },
  },
})

export function createRegistrationTokens({
  database,
  clock,
}: {
  database: Database
  clock: Clock
}): RegistrationTokens {
  return {
    async find(tenant, kind, hash) {
      const [row] = await database.query<{ payload: Record<string, unknown> }>(
        `select payload from registration_tokens
         where tenant_id = $1 and kind = $2 and token_hash = $3 and (expires_at is null or expires_at > $4)`,
        [tenant, kind, hash, new Date(clock.now())],
      )
      return row?.payload
    },
    async put(tenant, { kind, hash, clientId, payload, expiresAt }) {
      await database.execute(
        `insert into registration_tokens (tenant_id, kind, token_hash, client_id, payload, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (tenant_id, kind, token_hash) do update set payload = excluded.payload,
           expires_at = excluded.expires_at`,
        [
          tenant,
          kind,
          hash,
          clientId ?? null,
          JSON.stringify(payload),
          new Date(clock.now()),
          expiresAt === undefined ? null : new Date(expiresAt),
        ],
      )
    },
    sweep: () =>
      sweepTable(database, {
        table: 'registration_tokens',
        key: ['tenant_id', 'kind', 'token_hash'],
        where: 'expires_at <= $1',
        before: clock.now(),
      }),
    async delete(tenant, kind, hash) {
      await database.execute(
        `delete from registration_tokens where tenant_id = $1 and kind = $2 and token_hash = $3`,
        [tenant, kind, hash],
      )
    },
  }
}
