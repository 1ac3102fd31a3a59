import type { Accounts } from '../accounts/accounts.ts'
import type { Denials } from '../denials/denials.ts'
import type { Families } from '../families/families.ts'
import type { Presenter } from '../families/replay.ts'
import type { Logouts } from '../logouts/logouts.ts'
import type { Platform } from '../platform.ts'
import { type Count, countRows } from '../storage/count.ts'
import { sweepTable } from '../storage/sweep.ts'
import { createSessionStore, type SessionFilter, SessionsTable } from './session.store.ts'
import {
  type ListedSession,
  type Opened,
  type SaveOutcome,
  type Session,
  type SessionEnd,
  sidOf,
} from './session.ts'

export interface Sessions {
  /** A live session whose account is active. */
  byHandle(tenant: string, handleHash: string): Promise<Session | undefined>
  /** The same, with the account and grant that an authorization request for a client needs. */
  opened(tenant: string, handleHash: string, clientId: string): Promise<Opened | undefined>
  byUid(tenant: string, uid: string): Promise<Session | undefined>
  /** Live sessions, the most recently used first; at most 1000. */
  list(tenant: string, accountId?: string): Promise<ListedSession[]>
  /** Counts the live sessions. */
  count(tenant: string): Promise<Count>
  /** Live sessions, page by page in the order of their ids. */
  page(tenant: string, which: SessionFilter & { limit: number }): Promise<ListedSession[]>
  /**
   * Writes a session under its handle. What clients got is merged row by row, so that overlapping requests lose
   * nothing.
   * @param known hashes of the handles under which this request may have found the session
   * @param dropped clients that were signed out of it
   * @param verifiedAt when the password of a sign-in was checked, in milliseconds
   * @param seen who uses the session, shown to its owner; stored with it, only for sessions with an account
   */
  save(
    tenant: string,
    session: Session,
    handleHash: string,
    known: string[],
    dropped: string[],
    verifiedAt?: number,
    seen?: Presenter,
  ): Promise<SaveOutcome>
  /**
   * Gives a session another handle; the previous one becomes useless (ASVS 7.2.4).
   * @returns false when the session has ended, or does not have this handle
   */
  renew(tenant: string, uid: string, handleHash: string, freshHash: string): Promise<boolean>
  /** Whether a session is live. Share-locks it, so that ending it waits for the transaction. */
  hold(tenant: string, uid: string): Promise<boolean>
  /**
   * Ends every session of accounts and all that clients got in them, including offline access and sessions that have
   * ended already. Clients are notified of each, even of offline access from earlier sessions.
   * @param except a session that stays, with what clients got in it
   */
  endAll(tenant: string, accountIds: string[], reason: SessionEnd, except?: string): Promise<void>
  /**
   * Ends a session for good, with everything that depends on it; every client in it is notified.
   * @param accountId the account that the session must belong to
   * @returns whether it had not ended before
   */
  end(tenant: string, uid: string, reason: SessionEnd, accountId?: string): Promise<boolean>
  /** Deletes what clients got in any session, in batches; the clients are disabled. */
  forget(tenant: string, clientIds: string[]): Promise<void>
  /** Deletes sessions past their retention. @returns how many */
  sweep(): Promise<number>
}

/** Milliseconds that a session is kept after it is over. */
const historyKept = 7 * 24 * 3600 * 1000

export function createSessions(
  deps: Pick<Platform, 'database' | 'clock' | 'sealer'> & {
    denials: Denials
    accounts: Accounts
    families: Families
    logouts: Logouts
  },
): Sessions {
  const { database, denials, accounts, families, logouts } = deps
  const store = createSessionStore(deps)

  return {
    byHandle: store.byHandle,
    opened: store.opened,
    byUid: store.byUid,
    list: (tenant, accountId) => store.list(tenant, { accountId }),
    page: store.list,
    count: (tenant) =>
      countRows(
        database,
        {
          table: 'sessions',
          order: 'uid',
          where: 'account_id is not null and ended_at is null and expires_at > $2',
        },
        [tenant, new Date(deps.clock.now())],
      ),

    async save(tenant, session, handleHash, known, dropped, verifiedAt, seen = {}) {
      // A log-out state can be sealed only in a transaction.
      const isWhole =
        dropped.length === 0 &&
        session.state === undefined &&
        (await store.putWhole(tenant, session, handleHash, known, seen, verifiedAt))
      if (isWhole) return 'saved'
      // Another request came first, or a client is signed out: write step by step.
      return database.transaction(async () => {
        // If the account was signed out everywhere during this sign-in, it ends as well.
        const { accountId } = session
        if (accountId !== undefined && verifiedAt !== undefined) {
          if (!(await accounts.holdSignIn(tenant, accountId, verifiedAt))) return 'ended'
        }
        const written = await store.put(tenant, session, handleHash, known, seen)
        if (written === 0 && (await store.isEnded(tenant, session.uid))) return 'ended'
        for (const [clientId, got] of Object.entries(session.clients)) {
          await store.putClient(tenant, session.uid, clientId, got)
        }
        for (const clientId of dropped) {
          const deleted = await store.deleteClient(tenant, session.uid, clientId)
          await families.endWithSession(tenant, session.uid, clientId)
          const sid = sidOf(session.uid, clientId)
          if (!deleted?.persistsLogout) {
            await denials.add(tenant, [{ kind: 'session', subject: sid }])
          }
          if (deleted && accountId !== undefined) {
            await logouts.tell(tenant, [{ accountId, clientId, sid }], false)
          }
        }
        return written === 0 ? 'superseded' : 'saved'
      })
    },

    hold: store.hold,
    renew: store.renew,

    endAll: (tenant, accountIds, reason, except) =>
      database.transaction(async () => {
        const outliving = await families.outlivingSessions(tenant, accountIds)
        // Not those of the session that stays: notified without a `sid`, a client would end what it has there, too.
        const outlived =
          except === undefined
            ? outliving
            : outliving.filter(({ sessionUid = except }) => sessionUid !== except)
        const ended = await store.endAll(tenant, accountIds, reason, except)
        const parts = await store.parts(tenant, ended)
        const sids = await store.sids(tenant, accountIds, except)
        await denials.add(
          tenant,
          sids.map((subject) => ({ kind: 'session', subject, forGood: true })),
        )
        const earlier = outlived.map(({ accountId, clientId, sessionUid }) => ({
          accountId,
          clientId,
          sid: sessionUid && sidOf(sessionUid, clientId),
        }))
        await logouts.tell(tenant, [...parts, ...earlier], except === undefined)
      }),

    async forget(tenant, clientIds) {
      while ((await store.forgetSome(tenant, clientIds)) > 0);
    },

    sweep: () =>
      sweepTable(
        database,
        SessionsTable,
        'ended_at < $1 or expires_at < $1',
        deps.clock.now() - historyKept,
      ),

    end: (tenant, uid, reason, owner) =>
      database.transaction(async () => {
        const ended = await store.end(tenant, uid, reason, owner)
        if (!ended) return false
        await families.endWithSession(tenant, uid)
        const parts = await store.parts(tenant, [uid])
        await denials.add(
          tenant,
          parts
            .filter(({ persistsLogout }) => !persistsLogout)
            .map(({ sid }) => ({ kind: 'session', subject: sid, forGood: true })),
        )
        if (ended.accountId !== undefined) await logouts.tell(tenant, parts, false)
        return true
      }),
  }
}
