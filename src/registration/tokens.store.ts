import type { Clock } from '../clock.ts'
import { present } from '../present.ts'
import type { Database } from '../storage/database.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'

/** Where a page of initial access tokens ended. */
export interface TokenPlace {
  /** Milliseconds since the epoch. */
  createdAt: number
  id: string
}

/** An initial access token as it is listed; times in milliseconds since the epoch. */
export interface InitialAccessToken {
  /** Identifies the token, without being it. */
  id: string
  name?: string
  usesLeft: number
  createdAt: number
  expiresAt?: number
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

/** The stored values of `kind`. */
const initial = 'InitialAccessToken'
const management = 'RegistrationAccessToken'

/** Initial and registration access tokens, by the hash of their handle (RFC 7591 §3, RFC 7592 §3). */
export function createTokenStore({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())
  return {
    async addInitial(
      tenant: string,
      hash: string,
      {
        id,
        name,
        uses,
        expiresAt,
      }: { id: string; name?: string | undefined; uses: number; expiresAt: number | undefined },
    ): Promise<void> {
      await database.execute(
        `insert into registration_tokens (tenant_id, kind, token_hash, payload, created_at, expires_at)
         values ($1, '${initial}', $2, $3, $4, $5)`,
        [
          tenant,
          hash,
          JSON.stringify({ id, name, uses_left: uses }),
          now(),
          expiresAt === undefined ? null : new Date(expiresAt),
        ],
      )
    },

    async isInitial(tenant: string, hash: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from registration_tokens where tenant_id = $1 and kind = '${initial}' and token_hash = $2
           and (payload->>'uses_left')::integer > 0 and (expires_at is null or expires_at > $3)`,
        [tenant, hash, now()],
      )
      return rows.length > 0
    },

    /** Takes one use. @returns the id of the token; undefined when no use is left */
    async takeInitial(tenant: string, hash: string): Promise<string | undefined> {
      const [row] = await database.query<{ id: string }>(
        `with taken as (
           update registration_tokens
           set payload = jsonb_set(payload, '{uses_left}', to_jsonb((payload->>'uses_left')::integer - 1))
           where tenant_id = $1 and kind = '${initial}' and token_hash = $2
             and (payload->>'uses_left')::integer > 0 and (expires_at is null or expires_at > $3)
           returning payload->>'id' as id)
         select id from taken`,
        [tenant, hash, now()],
      )
      return row?.id
    },

    /** A page of valid ones, the oldest first. @param id selects a single one */
    async pageInitial(
      tenant: string,
      { after, id: wanted, limit }: { after?: TokenPlace | undefined; id?: string; limit: number },
    ): Promise<InitialAccessToken[]> {
      const rows = await database.query<{
        payload: { id: string; name?: string; uses_left: number }
        created_at: Date
        expires_at: Date | null
      }>(
        `select payload, created_at, expires_at from registration_tokens
         where tenant_id = $1 and kind = '${initial}' and (expires_at is null or expires_at > $2)
           and (created_at, payload->>'id') > ($3, $4) and ($5::text is null or payload->>'id' = $5)
         order by created_at, payload->>'id' limit $6`,
        [tenant, now(), new Date(after?.createdAt ?? 0), after?.id ?? '', wanted ?? null, limit],
      )
      return rows.map(({ payload: { id, name, uses_left: usesLeft }, ...row }) => ({
        id,
        ...present({ name }),
        usesLeft,
        createdAt: row.created_at.getTime(),
        ...(row.expires_at === null ? {} : { expiresAt: row.expires_at.getTime() }),
      }))
    },

    async revokeInitial(tenant: string, id: string): Promise<boolean> {
      const deleted = await database.execute(
        `delete from registration_tokens
         where tenant_id = $1 and kind = '${initial}' and payload->>'id' = $2`,
        [tenant, id],
      )
      return deleted > 0
    },

    async addManagement(tenant: string, clientId: string, hash: string): Promise<void> {
      await database.execute(
        `insert into registration_tokens (tenant_id, kind, token_hash, client_id, payload, created_at)
         values ($1, '${management}', $2, $3, '{}', $4)`,
        [tenant, hash, clientId, now()],
      )
    },

    /** Whether a token manages this client, and the client is enabled. */
    async manages(tenant: string, hash: string, clientId: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from registration_tokens t
         join clients c on c.tenant_id = t.tenant_id and c.client_id = t.client_id
         where t.tenant_id = $1 and t.kind = '${management}' and t.token_hash = $2 and t.client_id = $3
           and c.disabled_at is null`,
        [tenant, hash, clientId],
      )
      return rows.length > 0
    },

    /** @returns whether the old one was valid: true for only one of concurrent calls */
    async replaceManagement(
      tenant: string,
      clientId: string,
      old: string,
      next: string,
    ): Promise<boolean> {
      const changed = await database.execute(
        `update registration_tokens set token_hash = $4, created_at = $5
         where tenant_id = $1 and kind = '${management}' and client_id = $2 and token_hash = $3`,
        [tenant, clientId, old, next, now()],
      )
      return changed === 1
    },

    /** Deletes expired tokens. @returns how many */
    sweep: () => sweepTable(database, RegistrationTokensTable, 'expires_at <= $1', clock.now()),
  }
}
