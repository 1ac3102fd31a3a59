import type { Clock } from '../clock.ts'
import type { Denials } from '../denials/denials.ts'
import type { Database } from '../storage/database.ts'
import { createFamilyStore, type NewToken } from './family.store.ts'
import type { Family, FamilyEnd, StoredRefreshToken } from './family.ts'

export interface Families {
  /** A refresh token of a family that lives, consumed or not. */
  find(tenant: string, hash: string): Promise<StoredRefreshToken | undefined>
  /** The same, with token and family locked until the transaction ends (architecture §6). */
  findLocked(tenant: string, hash: string): Promise<StoredRefreshToken | undefined>
  /** Starts a family with its first token. */
  start(family: Family, token: NewToken): Promise<void>
  /**
   * Replaces a token by its successor: consumed and inserted in one statement, so that a crash leaves both or neither.
   * @returns false when the token was consumed already or the family has ended
   */
  rotate(tenant: string, parent: string, token: NewToken): Promise<boolean>
  /** Ends a family and the access tokens issued in it, whether it holds refresh tokens or not. */
  end(tenant: string, id: string, reason: FamilyEnd): Promise<void>
  /** Ends the families that live only as long as a session, or those of one client in it. */
  endWithSession(tenant: string, uid: string, clientId?: string): Promise<void>
}

export function createFamilies(deps: {
  database: Database
  clock: Clock
  denials: Denials
}): Families {
  const { database, denials } = deps
  const store = createFamilyStore(deps)

  async function end(tenant: string, ids: string[], reason: FamilyEnd): Promise<void> {
    await database.transaction(async () => {
      await store.end(tenant, ids, reason)
      await denials.add(
        tenant,
        ids.map((subject) => ({ kind: 'family', subject })),
      )
    })
  }

  return {
    find: store.find,
    findLocked: store.findLocked,
    start: store.start,
    rotate: store.rotate,
    end: (tenant, id, reason) => end(tenant, [id], reason),
    endWithSession: (tenant, uid, clientId) =>
      database.transaction(async () => {
        const bound = await store.boundToSession(tenant, uid, clientId)
        if (bound.length > 0) await end(tenant, bound, 'session_ended')
      }),
  }
}
