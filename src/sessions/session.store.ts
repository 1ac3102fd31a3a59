import { type AccountRow, accountColumns, toAccount } from '../accounts/account.store.ts'
import { presenter } from '../families/token-row.ts'
import { grantColumns, type JoinedGrant, joinedGrant, liveGrantOf } from '../grants/grants.ts'
import type { Platform } from '../platform.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import { mostRows, untilFew } from '../storage/chunks.ts'
import { sweepBatch } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { ListedSession, Opened, Session, SessionEnd } from './session.ts'
import { createSessionWriter } from './session-writer.ts'

export const SessionsTable = table('sessions', {
  key: ['tenant_id', 'uid'],
  columns: {
    tenant_id: column.text,
    uid: column.text,
    handle_hash: column.text,
    account_id: nullable(column.text),
    login_at: nullable(column.time),
    acr: nullable(column.text),
    amr: nullable(column.texts),
    transient: column.flag,
    state: nullable(column.text),
    created_at: column.time,
    updated_at: column.time,
    expires_at: column.time,
    ended_at: nullable(column.time),
    ended_reason: nullable(column.text),
    user_agent: nullable(column.text),
    ip: nullable(column.text),
    last_ip: nullable(column.text),
  },
  references: {
    tenant: ofTenant,
    account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']],
  },
  unique: { handle: ['tenant_id', 'handle_hash'] },
  index: {
    account: ['tenant_id', 'account_id'],
    expires: ['expires_at'],
    ended: { columns: ['ended_at'], where: 'ended_at is not null' },
    state: { columns: ['tenant_id', 'uid'], where: 'state is not null' },
  },
})

const purpose = (tenant: string, uid: string) => JSON.stringify(['session-state', tenant, uid])

/** The purpose until 0.1.0, which did not name the tenant. */
const formerly = (_tenant: string, uid: string) => `session-state:${uid}`

export const sealedSessionState: SealedColumn = {
  table: 'sessions',
  key: ['tenant_id', 'uid'],
  column: 'state',
  purpose,
  formerly,
}

export const SessionClientsTable = table('session_clients', {
  key: ['tenant_id', 'session_uid', 'client_id'],
  columns: {
    tenant_id: column.text,
    session_uid: column.text,
    client_id: column.text,
    sid: column.text,
    grant_id: nullable(column.text),
    persists_logout: column.flag,
    created_at: column.time,
  },
  references: {
    session: ['sessions', ['tenant_id', 'session_uid'], ['tenant_id', 'uid']],
    client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
    grant: ['grants', ['tenant_id', 'grant_id'], ['tenant_id', 'id']],
  },
  index: { client: ['tenant_id', 'client_id'], grant: ['tenant_id', 'grant_id'] },
})

interface Row {
  uid: string
  account_id: string | null
  login_at: Date | null
  acr: string | null
  amr: string[] | null
  transient: boolean
  state: string | null
  created_at: Date
  expires_at: Date
  clients: Record<string, { sid: string; grantId: string | null; persistsLogout: boolean }> | null
}

interface PartRow {
  client_id: string
  sid: string
  persists_logout: boolean
}

const toPart = (row: PartRow) => ({
  clientId: row.client_id,
  sid: row.sid,
  persistsLogout: row.persists_logout,
})

/**
 * Columns of `session_clients p` when it ends. What outlives a session is ended family by family. A client that gets no
 * refresh tokens has no families, so all it has ends with the session.
 */
const partColumns = `p.client_id, p.sid, p.persists_logout and exists (select from clients c
  where c.tenant_id = p.tenant_id and c.client_id = p.client_id and c.metadata->'grant_types' ? 'refresh_token')
  as persists_logout`

/** Of `sessions s`, with what each client got in it. */
const columns = `s.uid, s.account_id, s.login_at, s.acr, s.amr, s.transient, s.state, s.created_at, s.expires_at,
  (select jsonb_object_agg(c.client_id, jsonb_build_object(
     'sid', c.sid, 'grantId', c.grant_id, 'persistsLogout', c.persists_logout))
   from session_clients c where c.tenant_id = s.tenant_id and c.session_uid = s.uid) as clients`

/** For `sessions s` beside `accounts a`; $3 is now. */
const lives = 's.ended_at is null and s.expires_at > $3 and a.disabled_at is null'

const inSeconds = (time: Date) => Math.floor(time.getTime() / 1000)

/** Filters a list of sessions. */
export interface SessionFilter {
  accountId?: string | undefined
  uid?: string | undefined
  /** The last id of the page before. */
  after?: string | undefined
  /** Size of a page. */
  limit?: number | undefined
}

export function createSessionStore({
  database,
  clock,
  sealer,
}: Pick<Platform, 'database' | 'clock' | 'sealer'>) {
  const now = () => new Date(clock.now())

  function toSession(tenant: string, row: Row): Session {
    const session: Session = {
      uid: row.uid,
      transient: row.transient,
      clients: Object.fromEntries(
        Object.entries(row.clients ?? {}).map(([clientId, { sid, grantId, persistsLogout }]) => [
          clientId,
          { sid, persistsLogout, ...(grantId === null ? {} : { grantId }) },
        ]),
      ),
      createdAt: inSeconds(row.created_at),
      expiresAt: inSeconds(row.expires_at),
    }
    if (row.account_id !== null) session.accountId = row.account_id
    if (row.login_at) session.loginAt = inSeconds(row.login_at)
    if (row.acr !== null) session.acr = row.acr
    if (row.amr) session.amr = row.amr
    if (row.state !== null) {
      const state = sealer.open(purpose(tenant, row.uid), row.state, formerly(tenant, row.uid))
      session.state = JSON.parse(state)
    }
    return session
  }

  async function findBy(member: 'handle_hash' | 'uid', tenant: string, value: string) {
    const [row] = await database.query<Row>(
      `select ${columns}
       from sessions s left join accounts a on a.tenant_id = s.tenant_id and a.id = s.account_id
       where s.tenant_id = $1 and s.${member} = $2 and ${lives}`,
      [tenant, value, now()],
    )
    return row && toSession(tenant, row)
  }

  return {
    /** A live session with its account, and the live grant of that account to a client, if any. */
    async opened(tenant: string, hash: string, clientId: string): Promise<Opened | undefined> {
      const [row] = await database.query<Row & (AccountRow | { id: null }) & JoinedGrant>(
        `select ${columns}, ${accountColumns}, ${grantColumns}
         from sessions s left join accounts a on a.tenant_id = s.tenant_id and a.id = s.account_id
           ${liveGrantOf('s.tenant_id', 's.account_id', '$4')}
         where s.tenant_id = $1 and s.handle_hash = $2 and ${lives}`,
        [tenant, hash, now(), clientId],
      )
      return (
        row && {
          session: toSession(tenant, row),
          account: row.id === null ? undefined : toAccount(row),
          grant: joinedGrant(tenant, row),
        }
      )
    },
    byHandle: (tenant: string, hash: string) => findBy('handle_hash', tenant, hash),
    byUid: (tenant: string, uid: string) => findBy('uid', tenant, uid),
    ...createSessionWriter({
      database,
      now,
      seal: (tenant, uid, state) => sealer.seal(purpose(tenant, uid), JSON.stringify(state)),
    }),

    /**
     * Live sessions with an account: the most recently used first, at most 1000. With `limit`, a page in the order of
     * their ids, which does not change while sessions are used.
     */
    async list(
      tenant: string,
      { accountId, uid, after, limit }: SessionFilter,
    ): Promise<ListedSession[]> {
      const rows = await database.query<
        Row & {
          account_id: string
          updated_at: Date
          ids: string[]
          user_agent: string | null
          ip: string | null
          last_ip: string | null
        }
      >(
        `select s.uid, s.account_id, s.login_at, s.updated_at, s.expires_at, s.user_agent, s.ip, s.last_ip,
           array(
           select c.client_id from session_clients c
           where c.tenant_id = s.tenant_id and c.session_uid = s.uid order by c.client_id) as ids
         from sessions s
         where s.tenant_id = $1 and s.account_id is not null and ($2::text is null or s.account_id = $2)
           and s.ended_at is null and s.expires_at > $3
           and ($4::text is null or s.uid = $4) and ($5::text is null or s.uid > $5)
         order by ${limit === undefined ? 's.updated_at desc, ' : ''}s.uid limit $6`,
        [tenant, accountId ?? null, now(), uid ?? null, after ?? null, limit ?? 1000],
      )
      return rows.map((row) => ({
        uid: row.uid,
        accountId: row.account_id,
        clientIds: row.ids,
        ...(row.login_at ? { signedInAt: row.login_at.getTime() } : {}),
        lastUsedAt: row.updated_at.getTime(),
        expiresAt: row.expires_at.getTime(),
        signedInFrom: presenter(row.ip, row.user_agent),
        lastUsedFrom: presenter(row.last_ip, row.user_agent),
      }))
    },

    async isEnded(tenant: string, uid: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from sessions where tenant_id = $1 and uid = $2 and ended_at is null`,
        [tenant, uid],
      )
      return rows.length === 0
    },

    /** @returns what was deleted; undefined if another request was first */
    async deleteClient(tenant: string, uid: string, clientId: string) {
      const [row] = await database.query<PartRow>(
        `delete from session_clients p where tenant_id = $1 and session_uid = $2 and client_id = $3
         returning ${partColumns}`,
        [tenant, uid, clientId],
      )
      return row && toPart(row)
    },

    /** Deletes what clients got in sessions, as much as one statement may. */
    forgetSome(tenant: string, clientIds: string[]): Promise<number> {
      return database.execute(
        `delete from session_clients where tenant_id = $1 and client_id = any($2) and session_uid = any(array(
           select session_uid from session_clients
           where tenant_id = $1 and client_id = any($2) limit ${sweepBatch}))`,
        [tenant, clientIds],
      )
    },

    /** Gives a session another handle. @returns whether it was live under the given one */
    async renew(tenant: string, uid: string, handle: string, fresh: string): Promise<boolean> {
      const changed = await database.execute(
        `update sessions set handle_hash = $4
         where tenant_id = $1 and uid = $2 and handle_hash = $3 and ended_at is null`,
        [tenant, uid, handle, fresh],
      )
      return changed === 1
    },

    async hold(tenant: string, uid: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from sessions
         where tenant_id = $1 and uid = $2 and ended_at is null and expires_at > $3 for share`,
        [tenant, uid, now()],
      )
      return rows.length > 0
    },

    /**
     * Ends a session.
     * @returns its account; undefined if it had ended before, or belongs to another account than the given one
     */
    async end(tenant: string, uid: string, reason: SessionEnd, accountId?: string) {
      const [row] = await database.query<{ account_id: string | null }>(
        `update sessions set ended_at = $3, ended_reason = $4, state = null
         where tenant_id = $1 and uid = $2 and ended_at is null and ($5::text is null or account_id = $5)
         returning account_id`,
        [tenant, uid, now(), reason, accountId ?? null],
      )
      return row && { accountId: row.account_id ?? undefined }
    },

    /** Ends the sessions of accounts. @returns the ids of those it ended */
    async endAll(
      tenant: string,
      accountIds: string[],
      reason: SessionEnd,
      except?: string,
    ): Promise<string[]> {
      const rows = await untilFew(() =>
        database.query<{ uid: string }>(
          `update sessions set ended_at = $3, ended_reason = $4, state = null
           where tenant_id = $1 and uid = any(array(
             select uid from sessions
             where tenant_id = $1 and account_id = any($2) and ended_at is null and ($5::text is null or uid <> $5)
             limit ${mostRows} for no key update))
           returning uid`,
          [tenant, accountIds, now(), reason, except ?? null],
        ),
      )
      return rows.map(({ uid }) => uid)
    },

    /** The `sid`s of the accounts' sessions at clients, including ended sessions that are still kept. */
    async sids(tenant: string, accountIds: string[], except?: string): Promise<string[]> {
      const rows = await database.query<{ sid: string }>(
        `select c.sid from sessions s
           join session_clients c on c.tenant_id = s.tenant_id and c.session_uid = s.uid
         where s.tenant_id = $1 and s.account_id = any($2) and ($3::text is null or s.uid <> $3)`,
        [tenant, accountIds, except ?? null],
      )
      return rows.map(({ sid }) => sid)
    },

    /** What clients got in these sessions, with the account of each. */
    async parts(tenant: string, uids: string[]) {
      const rows = await database.query<PartRow & { account_id: string }>(
        `select ${partColumns}, s.account_id from session_clients p
           join sessions s on s.tenant_id = p.tenant_id and s.uid = p.session_uid
         where p.tenant_id = $1 and p.session_uid = any($2)`,
        [tenant, uids],
      )
      return rows.map((row) => ({ ...toPart(row), accountId: row.account_id }))
    },
  }
}
