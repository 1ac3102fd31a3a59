import { signInCounts } from '../accounts/account.store.ts'
import type { Presenter } from '../families/replay.ts'
import type { Database } from '../storage/database.ts'
import type { Session, SessionClient } from './session.ts'

const writtenColumns = `tenant_id, uid, handle_hash, account_id, login_at, acr, amr, transient, state, created_at,
  updated_at, expires_at, user_agent, ip, last_ip`

/** For `written`: $12 are the handles under which the request may have found the session. */
const unlessChanged = `on conflict (tenant_id, uid) do update set handle_hash = excluded.handle_hash,
  account_id = excluded.account_id, login_at = excluded.login_at, acr = excluded.acr, amr = excluded.amr,
  transient = excluded.transient, state = excluded.state, updated_at = excluded.updated_at,
  expires_at = excluded.expires_at, user_agent = excluded.user_agent, last_ip = excluded.last_ip,
  ip = case when sessions.login_at is distinct from excluded.login_at then excluded.ip else sessions.ip end
  where sessions.ended_at is null and sessions.handle_hash = any($12)`

const wherePartDiffers = `on conflict (tenant_id, session_uid, client_id) do update set grant_id = excluded.grant_id,
  persists_logout = session_clients.persists_logout or excluded.persists_logout
  where (session_clients.grant_id, session_clients.persists_logout)
    is distinct from (excluded.grant_id, session_clients.persists_logout or excluded.persists_logout)`

/** Writes sessions. @param seal seals the state of a log-out; called only in a transaction */
export function createSessionWriter({
  database,
  now,
  seal,
}: {
  database: Database
  now: () => Date
  seal: (tenant: string, uid: string, state: object) => Promise<string>
}) {
  /** The parameters $1 to $14 of both statements below. */
  async function written(
    tenant: string,
    session: Session,
    handle: string,
    knownHandles: string[],
    { ip, userAgent }: Presenter,
  ): Promise<unknown[]> {
    const state =
      session.state === undefined ? null : await seal(tenant, session.uid, session.state)
    return [
      tenant,
      session.uid,
      handle,
      session.accountId ?? null,
      session.loginAt === undefined ? null : new Date(session.loginAt * 1000),
      session.acr ?? null,
      session.amr ?? null,
      session.transient,
      state,
      now(),
      new Date(session.expiresAt * 1000),
      [handle, ...knownHandles],
      session.accountId === undefined ? null : (userAgent ?? null),
      session.accountId === undefined ? null : (ip ?? null),
    ]
  }

  return {
    /**
     * Inserts the session, or updates its row if that has not ended and still has a handle that this request knows. One
     * conditional statement decides between requests that write the same session.
     */
    async put(
      tenant: string,
      session: Session,
      handle: string,
      knownHandles: string[],
      { ip, userAgent }: Presenter,
    ) {
      return database.execute(
        `insert into sessions (${writtenColumns})
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $13, $14, $14) ${unlessChanged}`,
        await written(tenant, session, handle, knownHandles, { ip, userAgent }),
      )
    },

    /**
     * The same together with what clients got in it, in one statement. Writes nothing if another request came first, or
     * if the sign-in was voided.
     * @param verifiedAt when the password of the sign-in was checked, in milliseconds
     */
    async putWhole(
      tenant: string,
      session: Session,
      handle: string,
      knownHandles: string[],
      seen: Presenter,
      verifiedAt: number | undefined,
    ): Promise<boolean> {
      // Sorted, so that concurrent writers cannot deadlock.
      const clients = Object.entries(session.clients).toSorted(([a], [b]) => (a < b ? -1 : 1))
      const rows = await database.query(
        `with owner as (
           select 1 from accounts where tenant_id = $1 and id = $4 and ${signInCounts('$15')} for share
         ), written as (
           insert into sessions (${writtenColumns})
           select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, $13, $14, $14
           where $15::timestamptz is null or $4 is null or exists (select from owner) ${unlessChanged}
           returning 1
         ), parts as (
           insert into session_clients (tenant_id, session_uid, client_id, sid, grant_id, persists_logout, created_at)
           select $1, $2, part.*, $10 from unnest($16::text[], $17::text[], $18::text[], $19::boolean[]) as part
           where exists (select from written) order by 1 ${wherePartDiffers}
         )
         select 1 from written`,
        [
          ...(await written(tenant, session, handle, knownHandles, seen)),
          verifiedAt === undefined ? null : new Date(verifiedAt),
          clients.map(([clientId]) => clientId),
          clients.map(([, { sid }]) => sid),
          clients.map(([, { grantId }]) => grantId ?? null),
          clients.map(([, { persistsLogout }]) => persistsLogout),
        ],
      )
      return rows.length === 1
    },

    async putClient(tenant: string, uid: string, clientId: string, got: SessionClient) {
      await database.execute(
        `insert into session_clients (tenant_id, session_uid, client_id, sid, grant_id, persists_logout, created_at)
         values ($1, $2, $3, $4, $5, $6, $7) ${wherePartDiffers}`,
        [tenant, uid, clientId, got.sid, got.grantId ?? null, got.persistsLogout, now()],
      )
    },
  }
}
