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
  /** A refresh token of a family that lives, consumed or not. */
  find(tenant: string, hash: string): Promise<StoredRefreshToken | undefined>
  /** The same, with token and family locked until the transaction ends (architecture §6). */
  findLocked(tenant: string, hash: string): Promise<StoredRefreshToken | undefined>
  /** The family that a token of ours names, whatever became of it. */
  namedBy(token: string): string | undefined
  /** The living family that a token of ours names although its row was purged long ago. */
  findForgotten(tenant: string, token: string): Promise<FamilyView | undefined>
  /**
   * Starts a family with its first token; the oldest one past the limit ends, when this is committed.
   * @returns false when its client was disabled meanwhile, and nothing was written
   */
  start(family: Family, token: NewToken, about?: Told): Promise<boolean>
  /** Tells of tokens without a family, by the same rule. */
  tell(tenant: string, clientId: string | undefined, about: Told): Promise<boolean>
  /**
   * Replaces a token by its successor: consumed and inserted in one statement, so that a crash leaves both or neither.
   * @param answer sealed, for the replay window
   * @returns false when the token was consumed already or the family has ended
   */
  rotate(
    tenant: string,
    parent: string,
    token: NewToken,
    answer: string | undefined,
  ): Promise<boolean>
  /**
   * A token that is kept was used: it expires later. Within the transaction that holds its family.
   * @param expiresAt milliseconds since the epoch
   */
  prolong(tenant: string, hash: string, expiresAt: number): Promise<void>
  /**
   * Whether a token that was consumed may have its answer again: of its window only the time counts in which it could
   * have been asked for.
   * @param window seconds; 0 disables replay
   * @throws DomainError `overloaded`: it may have been in time when it was sent, as this process stood still;
   *   `deny_list_stale`: the clock is not known
   */
  mayReplay(consumed: Consumption, window: number): Promise<boolean>
  /** Counts that a holder of the previous token got its answer again. */
  replayed(tenant: string, familyId: string, hash: string, presenter: Presenter): Promise<void>
  /**
   * Ends a family whose token was used again: the verdict goes into its time line and the audit. Of many who notice
   * at the same moment one does; undefined for the others.
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
  /** Ends the families that live only as long as a session, or those of one client in it. */
  endWithSession(tenant: string, uid: string, clientId?: string): Promise<void>
  /** Where accounts' living families come from that do not end with a session: each client and session once. */
  outlivingSessions(tenant: string, accountIds: string[]): Promise<FamilyOrigin[]>
  /**
   * Ends every family that lives and fits, a batch at a time: without a transaction around it, each batch is one of its
   * own, for as many as a client may have.
   * @param deniedBy what denies the access tokens of all of them, in place of a denial for each. It is written with every
   *   batch, as whoever refreshes holds a family until then; none where the caller's own does it
   * @returns whether there were any
   */
  endAll(
    tenant: string,
    which: FamilyOwner,
    reason: FamilyEnd,
    deniedBy?: Denial[],
  ): Promise<boolean>
  /** Deletes what clients that are disabled ever had, a batch at a time. */
  forget(tenant: string, clientIds: string[]): Promise<void>
  list(tenant: string, filter: FamilyFilter): Promise<FamilyView[]>
  /** How many have not ended. */
  count(tenant: string): Promise<Count>
  /** The time line of a family, the oldest step first. */
  steps(tenant: string, familyId: string): Promise<FamilyStep[]>
  /**
   * Forgets answers whose window is over, and history that is older than it is kept; ends what a disabled client still
   * has. @returns how many rows were deleted
   */
  sweep(): Promise<number>
}

/** What is told of tokens, in the statement that they begin with. */
export interface Told {
  /** When they were allowed, in seconds since the epoch. */
  allowedAt?: number | undefined
  events?: AuditEvent[]
  /** Whether the statement fails (`isNothingWritten`) where it would write nothing: for a COMMIT that goes with it. */
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

  /** One for each, for the resource servers that its tokens can be for, as far as that is known. */
  async function denialsOf(tenant: string, ids: string[]): Promise<Denial[]> {
    const audiences = await store.audiences(tenant, ids)
    return ids.map((subject) => ({ kind: 'family', subject, audiences: audiences.get(subject) }))
  }

  /** @returns those that lived until now */
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

  /** @param mayEnd what is looked at and held in the transaction of each batch */
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
   * Families that start at the same moment do not see each other. Whoever comes so near to the limit looks again after
   * the commit; the last to commit sees all of them.
   */
  const near = deps.mostFamilies - Math.ceil(deps.mostFamilies / 10)

  /** Ends what an account has at a client past the limit, while the answer to who started one more waits. */
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
      // It has started whatever becomes of the others: who starts the next one looks again.
      else {
        unit.afterCommit(() =>
          endBeyond(family).catch((error: Error) =>
            log.warn({ err: error }, 'families past the limit not ended'),
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
      // Of a machine that was suspended the clock is behind, and every token in time.
      denials.asOf()
      const isInTime = (at: number) => mayReplay(consumed, window, (span) => at - span)
      if (isInTime(clock.now())) return true
      // It is late, or there was an outage.
      const { back, waitingSince } = await servedTime.look()
      if (mayReplay(consumed, window, back)) return true
      if (waitingSince === undefined || !isInTime(waitingSince)) return false
      throw new DomainError('overloaded', { detail: 'this process stood still' })
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
        // Whoever enables it meanwhile has ended these: what it got since is its own.
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
