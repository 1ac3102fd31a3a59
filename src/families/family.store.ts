import type { Clock } from '../clock.ts'
import { present } from '../present.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { FamilyEnd, StoredRefreshToken } from './family.ts'
import type { Presenter } from './replay.ts'
import { type HeldRow, held, type TokenRow, toHeld, toStored } from './token-row.ts'

export const FamiliesTable = table('families', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    grant_id: column.text,
    account_id: column.text,
    client_id: column.text,
    session_uid: nullable(column.text),
    ends_with_session: column.flag,
    created_at: column.time,
    expires_at: column.time,
    ended_at: nullable(column.time),
    ended_reason: nullable(column.text),
    ended_detail: nullable(column.json),
    ip: nullable(column.text),
    user_agent: nullable(column.text),
  },
  references: {
    grant: ['grants', ['tenant_id', 'grant_id'], ['tenant_id', 'id']],
    account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']],
    client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
  },
  index: {
    grant: ['tenant_id', 'grant_id'],
    account: ['tenant_id', 'account_id'],
    client: ['tenant_id', 'client_id'],
    created: ['tenant_id', 'created_at', 'id'],
    session: ['tenant_id', 'session_uid'],
    ended: { columns: ['ended_at'], where: 'ended_at is not null' },
    expires: ['expires_at'],
  },
})

export const RefreshTokensTable = table('refresh_tokens', {
  key: ['tenant_id', 'token_hash'],
  columns: {
    tenant_id: column.text,
    token_hash: column.text,
    family_id: column.text,
    parent_hash: nullable(column.text),
    payload: column.json,
    issued_at: column.time,
    expires_at: column.time,
    consumed_at: nullable(column.time),
    ip: nullable(column.text),
    user_agent: nullable(column.text),
    answer: nullable(column.text),
    replays: nullable(column.count),
    replayed_at: nullable(column.time),
  },
  references: { family: ['families', ['tenant_id', 'family_id'], ['tenant_id', 'id']] },
  unique: { parent: ['tenant_id', 'parent_hash'] },
  index: {
    family: ['tenant_id', 'family_id'],
    live: { columns: ['tenant_id', 'family_id'], unique: true, where: 'consumed_at is null' },
    answer: { columns: ['consumed_at'], where: 'answer is not null' },
    consumed: { columns: ['consumed_at'], where: 'consumed_at is not null' },
    expires: ['expires_at'],
  },
})

export interface NewToken {
  hash: string
  payload: Record<string, unknown>
  /** Milliseconds since the epoch. */
  expiresAt: number
  issuedTo: Presenter
}

/** Where a family began. */
export interface FamilyOrigin {
  accountId: string
  clientId: string
  sessionUid?: string
}

/** Selects families by owner. */
export interface FamilyOwner {
  accountIds?: string[] | undefined
  clientIds?: string[] | undefined
  /** Leaves out the families that were allowed in this session. */
  exceptSession?: string | undefined
}

export function createFamilyStore({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  async function select<Row extends TokenRow>(
    tenant: string,
    hash: string,
    { columns, tables, lock } = { columns: '', tables: '', lock: '' },
  ): Promise<Row | undefined> {
    const [row] = await database.query<Row>(
      `select t.family_id, t.payload, t.consumed_at, t.answer, s.consumed_at as successor_consumed_at,
         s.expires_at as successor_expires_at,
         s.ip as consumer_ip, s.user_agent as consumer_user_agent ${columns}
       from families f join refresh_tokens t on t.tenant_id = f.tenant_id and t.family_id = f.id
         left join refresh_tokens s on s.tenant_id = t.tenant_id and s.parent_hash = t.token_hash ${tables}
       where t.tenant_id = $1 and t.token_hash = $2 and f.ended_at is null and f.expires_at > $3 ${lock}`,
      [tenant, hash, now()],
    )
    return row
  }

  return {
    async find(tenant: string, hash: string): Promise<StoredRefreshToken | undefined> {
      const row = await select<TokenRow>(tenant, hash)
      return row && toStored(row)
    },

    /**
     * Like `find`, but locks the token and its family until the transaction ends; a second caller waits here. Also
     * reads the grant and the account: revoking the one or disabling the other ends the family, and so waits for this
     * lock.
     */
    async findLocked(tenant: string, hash: string): Promise<StoredRefreshToken | undefined> {
      const row = await select<HeldRow>(tenant, hash, held)
      return row && toHeld(tenant, row)
    },

    /**
     * Consumes the parent, keeps its sealed answer and inserts its successor in one statement; false when the parent
     * was consumed already or its family has ended.
     */
    async rotate(
      tenant: string,
      parent: string,
      token: NewToken,
      answer: string | undefined,
    ): Promise<boolean> {
      const inserted = await database.execute(
        `with parent as (
           update refresh_tokens t set consumed_at = $6, answer = $9 from families f
           where t.tenant_id = $1 and t.token_hash = $2 and t.consumed_at is null
             and f.tenant_id = t.tenant_id and f.id = t.family_id and f.ended_at is null
           returning t.tenant_id, t.family_id, t.token_hash)
         insert into refresh_tokens (tenant_id, token_hash, family_id, parent_hash, payload, issued_at, expires_at,
           ip, user_agent)
         select tenant_id, $3, family_id, token_hash, $4, $6, $5, $7, $8 from parent`,
        [
          tenant,
          parent,
          token.hash,
          JSON.stringify(token.payload),
          new Date(token.expiresAt),
          now(),
          token.issuedTo.ip ?? null,
          token.issuedTo.userAgent ?? null,
          answer ?? null,
        ],
      )
      return inserted === 1
    },

    /** Lets a token that lives, of a family that lives, expire later. @param expiresAt milliseconds since the epoch */
    async prolong(tenant: string, hash: string, expiresAt: number): Promise<void> {
      await database.execute(
        `update refresh_tokens t set expires_at = $3, payload = jsonb_set(t.payload, '{exp}', to_jsonb($4::bigint))
         from families f
         where t.tenant_id = $1 and t.token_hash = $2 and t.consumed_at is null and t.expires_at < $3
           and f.tenant_id = t.tenant_id and f.id = t.family_id and f.ended_at is null`,
        [tenant, hash, new Date(expiresAt), Math.floor(expiresAt / 1000)],
      )
    },

    async countReplay(tenant: string, hash: string): Promise<void> {
      await database.execute(
        `update refresh_tokens set replays = coalesce(replays, 0) + 1, replayed_at = $3
         where tenant_id = $1 and token_hash = $2`,
        [tenant, hash, now()],
      )
    },

    /** Ends the live ones among these families. @returns the ids of those it ended */
    async end(
      tenant: string,
      ids: string[],
      reason: FamilyEnd,
      detail?: Record<string, unknown>,
    ): Promise<string[]> {
      const rows = await database.query<{ id: string }>(
        `update families set ended_at = $3, ended_reason = $4, ended_detail = $5
         where tenant_id = $1 and id = any($2) and ended_at is null returning id`,
        [tenant, ids, now(), reason, detail === undefined ? null : JSON.stringify(detail)],
      )
      await database.execute(
        `update refresh_tokens set answer = null
         where tenant_id = $1 and family_id = any($2) and answer is not null`,
        [tenant, ids],
      )
      return rows.map(({ id }) => id)
    },

    /** The resource servers of the access tokens, by family; without families whose resource servers are not known. */
    async audiences(tenant: string, ids: string[]): Promise<Map<string, string[]>> {
      const rows = await database.query<{ family_id: string; resource: string | string[] }>(
        `select family_id, payload->'resource' as resource from refresh_tokens
         where tenant_id = $1 and family_id = any($2) and consumed_at is null and payload ? 'resource'`,
        [tenant, ids],
      )
      return new Map(rows.map(({ family_id, resource }) => [family_id, [resource].flat()]))
    },

    /** Locks the families that end with a session, or those of one client among them. @returns their ids */
    async boundToSession(tenant: string, uid: string, clientId?: string): Promise<string[]> {
      const rows = await database.query<{ id: string }>(
        `select id from families
         where tenant_id = $1 and session_uid = $2 and ends_with_session and ended_at is null
           and ($3::text is null or client_id = $3)
         order by id for update`,
        [tenant, uid, clientId ?? null],
      )
      return rows.map(({ id }) => id)
    },

    /** Where live families of accounts come from that outlive their session. */
    async outlivingSessions(tenant: string, accountIds: string[]): Promise<FamilyOrigin[]> {
      const rows = await database.query<{
        account_id: string
        client_id: string
        session_uid: string | null
      }>(
        `select distinct account_id, client_id, session_uid from families
         where tenant_id = $1 and account_id = any($2) and not ends_with_session and ended_at is null
           and expires_at > $3`,
        [tenant, accountIds, now()],
      )
      return rows.map(({ account_id, client_id, session_uid }) => ({
        accountId: account_id,
        clientId: client_id,
        ...present({ sessionUid: session_uid }),
      }))
    },

    /** The families that have not ended, in the order in which they are to be locked. */
    async alive(
      tenant: string,
      { accountIds, clientIds, exceptSession }: FamilyOwner,
    ): Promise<string[]> {
      const rows = await database.query<{ id: string }>(
        `select id from families
         where tenant_id = $1 and ended_at is null and ($2::text[] is null or account_id = any($2))
           and ($3::text[] is null or client_id = any($3))
           and ($4::text is null or session_uid is distinct from $4)
         order by id`,
        [tenant, accountIds ?? null, clientIds ?? null, exceptSession ?? null],
      )
      return rows.map(({ id }) => id)
    },

    /** Locks those that have not ended in the order of their ids, so that concurrent callers cannot deadlock. */
    async lock(tenant: string, ids: string[]): Promise<string[]> {
      const rows = await database.query<{ id: string }>(
        `select id from families where tenant_id = $1 and id = any($2) and ended_at is null
         order by id for update`,
        [tenant, ids],
      )
      return rows.map(({ id }) => id)
    },
  }
}
