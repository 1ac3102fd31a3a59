import type { Audit, AuditEvent } from '../audit/audit.ts'
import type { Denial, Denials } from '../denials/denials.ts'
import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { chunksOf } from '../storage/chunks.ts'
import { type Count, countRows } from '../storage/count.ts'
import {
  createFamilyStore,
  type FamilyOrigin,
  type FamilyOwner,
  type NewToken,
} from './family.store.ts'
import type {
  Consumption,
  Family,
  FamilyEnd,
  FamilyStep,
  FamilyView,
  StoredRefreshToken,
} from './family.ts'
import { createFamilyRetention } from './family-retention.store.ts'
import { createFamilyStart } from './family-start.store.ts'
import { createFamilyViews, type FamilyFilter } from './family-view.store.ts'
import { familyNamedBy, newRefreshToken } from './handle.ts'
import { mayReplay, type Presenter, verdictOn } from './replay.ts'
import type { ServedTime } from './served-time.ts'

export interface Families {
  /** A new refresh token of a family; its hash is what `start` and `rotate` take. */
  newToken(familyId: string): string
  /** Finds a refresh token of a live family, consumed or not. */
  find(tenant: string, hash: string): Promise<StoredRefreshToken | undefined>
  /** Like `find`, with token and family locked until the transaction ends (architecture §6). */
  findLocked(tenant: string, hash: string): Promise<StoredRefreshToken | undefined>
  /** The id of the family that a refresh token of this server carries, even if the family no longer exists. */
  namedBy(token: string): string | undefined
  /** The live family of a refresh token of this server whose row was purged long ago. */
  findForgotten(tenant: string, token: string): Promise<FamilyView | undefined>
  /**
   * Starts a family with its first token. Past `mostFamilies`, the oldest family ends after this is committed.
   * @returns false if the client was disabled concurrently, and nothing was written
   */
  start(family: Family, token: NewToken, about?: Told): Promise<boolean>
  /** Records the events of tokens without a family, under the same condition as `start`. */
  tell(tenant: string, clientId: string | undefined, about: Told): Promise<boolean>
  /**
   * Consumes a token and inserts its successor in one statement, so that a crash leaves both or neither.
   * @param answer the sealed answer, for the replay window
   * @returns false when the token was consumed already or the family has ended
   */
  rotate(
    tenant: string,
    parent: string,
    token: NewToken,
    answer: string | undefined,
  ): Promise<boolean>
  /**
   * Extends the life of a token that was used without rotation. Called in the transaction that holds its family.
   * @param expiresAt milliseconds since the epoch
   */
  prolong(tenant: string, hash: string, expiresAt: number): Promise<void>
  /**
   * Whether a consumed token may have its answer again. Outages do not count towards the window (ADR 0008).
   * @param window seconds; 0 disables replay
   * @throws DomainError `overloaded`: the request may have come in time, but this process stood still;
   *   `deny_list_stale`: the clock is not verified
   */
  mayReplay(consumed: Consumption, window: number): Promise<boolean>
  /** Counts that a holder of the previous token got its answer again. */
  replayed(tenant: string, familyId: string, hash: string, presenter: Presenter): Promise<void>
  /**
   * Ends a family whose token was reused, with the verdict in its time line and in the audit.
   * @returns the verdict to one of several concurrent callers; undefined to the others
   */
  endForReuse(
    tenant: string,
    familyId: string,
    reuse: Reuse,
  ): Promise<'race' | 'attack' | undefined>
  /** Ends a family and the access tokens issued in it, whether it holds refresh tokens or not. */
  end(
    tenant: string,
    id: string,
    reason: FamilyEnd,
    detail?: Record<string, unknown>,
  ): Promise<void>
  /** Ends the families bound to a session, or those of one client among them. */
  endWithSession(tenant: string, uid: string, clientId?: string): Promise<void>
  /** Where live families of accounts come from that outlive their session: each client and session once. */
  outlivingSessions(tenant: string, accountIds: string[]): Promise<FamilyOrigin[]>
  /**
   * Ends every live family that matches, in batches. Outside a transaction, each batch is its own transaction, as a
   * client may have more families than one transaction can end.
   * @param deniedBy what denies the access tokens of all of them, in place of a denial for each family. Written with
   *   every batch: until its family ends, a refresh still issues tokens. Empty where the caller denies them itself.
   * @returns whether there were any
   */
  endAll(
    tenant: string,
    which: FamilyOwner,
    reason: FamilyEnd,
    deniedBy?: Denial[],
  ): Promise<boolean>
  /** Deletes all families of clients for which no new ones can start, in batches. */
  forget(tenant: string, clientIds: string[]): Promise<void>
  list(tenant: string, filter: FamilyFilter): Promise<FamilyView[]>
  /** Counts the families that have neither ended nor expired. */
  count(tenant: string): Promise<Count>
  /** The time line of a family, the oldest step first. */
  steps(tenant: string, familyId: string): Promise<FamilyStep[]>
  /**
   * Deletes answers whose window is over and history past its retention, and ends what disabled clients still have.
   * @returns how many rows were deleted or lost their answer
   */
  sweep(): Promise<number>
}

/** What to record in the statement that starts tokens. */
export interface Told {
  /** When they were allowed, in seconds since the epoch. */
  allowedAt?: number | undefined
  events?: AuditEvent[]
  /**
   * Whether writing nothing is an error (`isNothingWritten`): needed where a COMMIT is sent along with the statement.
   */
  orFail?: boolean
}

export interface Reuse {
  presenter: Presenter
  /** What is known of the first use. */
  consumed?: Consumption | undefined
}

/** Milliseconds after which no client's window is open any more. */
const longestWindow = 60_000

/** Milliseconds that the history of a family is kept after it is over, and a step after it was consumed. */
const historyKept = 30 * 24 * 3600 * 1000

const endedEvent = (familyId: string, reason: FamilyEnd): AuditEvent => ({
  type: 'family.ended',
  familyId,
  detail: { reason },
})

export function createFamilies(
  deps: Pick<Platform, 'database' | 'clock' | 'log' | 'sealer' | 'counters'> & {
    denials: Denials
    audit: Audit
    servedTime: ServedTime
    /** Live families per account and client. */
    mostFamilies: number
  },
): Families {
  const { database, denials, audit, clock, counters, log, sealer, servedTime } = deps
  const store = createFamilyStore(deps)
  const starts = createFamilyStart(deps)
  const views = createFamilyViews(deps)
  const retention = createFamilyRetention(deps)

  /** One denial for each family, limited to the resource servers of its tokens where these are known. */
  async function denialsOf(tenant: string, ids: string[]): Promise<Denial[]> {
    const audiences = await store.audiences(tenant, ids)
    return ids.map((subject) => ({ kind: 'family', subject, audiences: audiences.get(subject) }))
  }

  /** @returns the ids of those that were live */
  async function end(
    tenant: string,
    ids: string[],
    reason: FamilyEnd,
    { detail, deniedBy }: { detail?: Record<string, unknown>; deniedBy?: Denial[] } = {},
  ): Promise<string[]> {
    if (ids.length === 0) return []
    return database.transaction(async () => {
      const ended = await store.end(tenant, ids, reason, detail)
      await denials.add(tenant, deniedBy ?? (await denialsOf(tenant, ids)))
      await audit.record(tenant, ...ended.map((id) => endedEvent(id, reason)))
      return ended
    })
  }

  /** @param mayEnd called in the transaction of each batch, where it may lock rows; false skips the batch */
  async function endAll(
    tenant: string,
    which: FamilyOwner,
    reason: FamilyEnd,
    deniedBy?: Denial[],
    mayEnd = async () => true,
  ): Promise<boolean> {
    const how = deniedBy && { deniedBy }
    const alive = await store.alive(tenant, which)
    for (const ids of chunksOf(alive)) {
      await database.transaction(async () => {
        if (await mayEnd()) await end(tenant, await store.lock(tenant, ids), reason, how)
      })
    }
    return alive.length > 0
  }

  /**
   * Concurrent starts do not see each other's families. A start that comes so near to the limit counts again after its
   * commit; the last one to commit sees all of them.
   */
  const near = deps.mostFamilies - Math.ceil(deps.mostFamilies / 10)

  /** Ends the families of an account at a client past the limit, before the start that exceeded it is answered. */
  function endBeyond(family: Family): Promise<void> {
    const { tenant } = family
    return database.unit(async (unit) => {
      await unit.open()
      const ended = await starts.endBeyond(family, deps.mostFamilies, 'superseded')
      const denied = ended.map(({ id: subject, audiences }) => ({ subject, audiences }))
      await denials.add(
        tenant,
        denied.map((denial) => ({ kind: 'family', ...denial })),
      )
      unit.commitWith(async () => {
        await audit.record(tenant, ...ended.map(({ id }) => endedEvent(id, 'superseded')))
        return true
      })
      return ended.length > 0
    })
  }

  return {
    newToken: (familyId) => newRefreshToken(sealer, familyId),
    find: store.find,
    findLocked: store.findLocked,
    namedBy: (token) => familyNamedBy(sealer, token),
    async findForgotten(tenant, token) {
      const id = familyNamedBy(sealer, token)
      if (id === undefined) return undefined
      const [family] = await views.list(tenant, { id, live: true })
      return family
    },
    tell: (tenant, clientId, { allowedAt, events = [], orFail = false }) =>
      starts.tell(tenant, clientId, allowedAt, audit.rows(...events), orFail),
    async start(family, token, { allowedAt, events = [], orFail = false } = {}) {
      const rows = audit.rows(...events)
      const { started, others } = await starts.start(family, token, allowedAt, rows, orFail)
      if (!started) return false
      counters.count('family_started')
      if (others < near) return true
      const unit = database.current()
      if (!unit?.isOpen()) await endBeyond(family)
      // The family has started even if this fails: the next start counts again.
      else {
        unit.afterCommit(() =>
          endBeyond(family).catch((error: Error) =>
            log.warn({ err: error }, 'families beyond MAX_FAMILIES not ended'),
          ),
        )
      }
      return true
    },
    async rotate(tenant, parent, token, answer) {
      const rotated = await store.rotate(tenant, parent, token, answer)
      if (rotated) counters.count('family_rotated')
      return rotated
    },
    prolong: store.prolong,
    async mayReplay(consumed, window) {
      if (consumed.answer === undefined) return false
      // After a suspension the clock is behind, and every token seems in time: throws while the clock is not verified.
      denials.asOf()
      const isInTime = (at: number) => mayReplay(consumed, window, (span) => at - span)
      if (isInTime(clock.now())) return true
      // Either the request is late, or there was an outage.
      const { back, waitingSince } = await servedTime.look()
      if (mayReplay(consumed, window, back)) return true
      if (waitingSince === undefined || !isInTime(waitingSince)) return false
      throw new DomainError('overloaded', {
        detail: 'this process was suspended: whether the request came in time is unknown',
      })
    },
    async replayed(tenant, familyId, hash, { ip, userAgent }) {
      counters.count('family_replayed')
      await store.countReplay(tenant, hash)
      await audit.record(tenant, { type: 'family.replayed', familyId, ip, userAgent })
    },
    async endForReuse(tenant, familyId, { presenter, consumed }) {
      const elapsed = consumed && clock.now() - consumed.at
      const verdict = verdictOn(presenter, consumed?.by, elapsed)
      const { ip, userAgent } = presenter
      const detail = {
        verdict,
        presented_by: { ip, user_agent: userAgent },
        first_used_by: consumed && { ip: consumed.by.ip, user_agent: consumed.by.userAgent },
        seconds_after_first_use: elapsed === undefined ? undefined : Math.round(elapsed / 1000),
        successor_used: consumed && consumed.successorConsumedAt !== undefined,
      }
      return database.transaction(async () => {
        const [ended] = await end(tenant, [familyId], 'reuse', { detail })
        if (ended === undefined) return undefined
        await audit.record(tenant, { type: 'family.reuse', familyId, ip, userAgent, detail })
        counters.count(`family_reuse_${verdict}`)
        return verdict
      })
    },
    end: async (tenant, id, reason, detail) =>
      void (await end(tenant, [id], reason, detail && { detail })),
    endWithSession: (tenant, uid, clientId) =>
      database.transaction(async () => {
        await end(tenant, await store.boundToSession(tenant, uid, clientId), 'session_ended')
      }),
    outlivingSessions: store.outlivingSessions,
    endAll,
    async forget(tenant, clientIds) {
      while (await retention.forgetSome(tenant, clientIds));
    },
    list: views.list,
    count: (tenant) =>
      countRows(
        database,
        { table: 'families', order: 'id', where: 'ended_at is null and expires_at > $2' },
        [tenant, new Date(clock.now())],
      ),
    steps: views.steps,
    async sweep() {
      for (const { tenant, clientId } of await retention.disabledOwners()) {
        // If the client was enabled concurrently, these families were ended then, and what it got since must stay.
        await endAll(
          tenant,
          { clientIds: [clientId] },
          'client_disabled',
          [{ kind: 'client', subject: clientId }],
          () => retention.holdDisabled(tenant, clientId),
        )
      }
      const { back } = await servedTime.look()
      const forgotten = await retention.forgetAnswers(back(longestWindow))
      return forgotten + (await retention.purge(clock.now() - historyKept))
    },
  }
}
