import type { Audit } from '../audit/audit.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { createKnownDevices, type KnownDevices } from './known-devices.ts'
import { createLockoutStore, type Place, type Taken } from './lockout.store.ts'
import {
  device,
  devices,
  type Guesser,
  type Lockout,
  type Owner,
  type Row,
  strangers,
} from './lockout.ts'

/** Locks accounts for a while, or for good, when their secrets are guessed (lockout.ts has the figures). */
export interface Lockouts {
  /** Which browsers are known to an account. */
  devices: KnownDevices
  /**
   * Checks one guess at a user's secret, if the account has a try left. The try is taken before the check, so that a
   * hundred concurrent guesses get no more tries than there are; it is given back for a right guess, or when the check
   * failed.
   * @param look compares the secret. When called with `false` it does the same work and must return false, so that
   *   timing does not reveal a locked account
   * @param beside a query that a right guess needs anyway; it is sent along with the statement that gives the try back
   *   @example await lockouts.guess(tenant, { owner: { accountId } }, async (may) => fits(code, may ? secret : dummy))
   * @throws Error inside of a transaction: what is rolled back would not count
   */
  guess(
    tenant: string,
    guesser: Guesser,
    look: (may: boolean) => Promise<boolean>,
    beside?: () => Promise<unknown>,
  ): Promise<'right' | 'wrong' | 'locked'>
  /**
   * The subject under which guesses at an identifier without an account are reported. All such identifiers share 64
   * subjects, so that a flood of names is no flood of events. The subject is a MAC: an attacker who could compute it
   * could keep its row busy, and learn from the delays which names others try.
   * @param identifier as in `Owner`
   */
  nobodyOf(identifier: string): string
  /** Resets the counts after a complete sign-in; a right password alone is not one. */
  signedIn(tenant: string, accountId: string): Promise<void>
  /** Lifts a lock, for an operator or an owner who has proven their identity. @returns whether there was one */
  lift(tenant: string, accountId: string, by: 'operator' | 'owner'): Promise<boolean>
  /**
   * Lifts a permanent lock, for an owner who got a new password by mail (NIST SP 800-63B-4 §3.2.2). A running pause
   * continues: access to the mailbox is no reason for new guesses.
   */
  unblock(tenant: string, accountId: string): Promise<void>
  /** The given accounts that have wrong guesses in a row. */
  list(tenant: string, accountIds: readonly string[]): Promise<Lockout[]>
  /** Deletes expired counts of identifiers without an account, in batches. @returns how many */
  sweep(): Promise<number>
}

interface Dependencies
  extends Pick<Platform, 'database' | 'clock' | 'log' | 'counters' | 'sealer'> {
  audit: Audit
}

type Kind = 'strangers' | 'device' | 'devices'
const rows: Record<Kind, Row> = { strangers, device, devices }

/** A guess that was counted. */
interface Held {
  place: Place
  kind: Kind
  failures: number
}

export function createLockouts(deps: Dependencies): Lockouts {
  const { database, clock, log, counters, sealer, audit } = deps
  const store = createLockoutStore(deps)

  const subjectOf = (owner: Owner) =>
    'accountId' in owner
      ? sealer.mac('lockout:account', owner.accountId)
      : sealer.mac('lockout:identifier', owner.identifier)

  const nobodyOf = (identifier: string) => `nobody ${sealer.mac('lockout:nobody', identifier)[0]}`

  /**
   * Counts one guess. A guess that locks nothing is one statement; a lock and its event are one transaction. Both take
   * the same time for accounts and for unknown identifiers.
   */
  async function takeFrom(
    tenant: string,
    { owner, deviceId, ip }: Guesser,
    kind: Kind,
  ): Promise<{ held?: Held; spent?: boolean }> {
    const accountId = 'accountId' in owner ? owner.accountId : undefined
    const source =
      kind === 'device' ? `device ${sealer.mac('lockout:device', deviceId ?? '')}` : kind
    const place: Place = { tenant, subject: subjectOf(owner), source, accountId }
    const { most } = rows[kind]
    const outcomeOf = ({ looked, failures }: Taken) =>
      looked ? { held: { place, kind, failures } } : { spent: failures >= most }
    const quiet = await store.take(place, rows[kind], true)
    if (quiet) return outcomeOf(quiet)
    return database.transaction(async () => {
      const taken = (await store.take(place, rows[kind])) as Taken
      const locks = taken.looked && (taken.failures >= most || taken.lockedUntil !== undefined)
      if (locks) await tell(tenant, { owner, ip }, kind, taken)
      return outcomeOf(taken)
    })
  }

  /** Reports a lock: the same statement for accounts and for unknown identifiers. */
  async function tell(
    tenant: string,
    { owner, ip }: Guesser,
    kind: Kind,
    { failures, lockedUntil }: Taken,
  ): Promise<void> {
    const blocked = failures >= rows[kind].most
    const until = blocked || lockedUntil === undefined ? undefined : new Date(lockedUntil)
    const detail = { for: kind, failures, blocked, until: until?.toISOString() }
    const event = { type: 'account.locked', ip, detail } as const
    if ('identifier' in owner) {
      log.info({ tenant, ip, ...detail }, 'an unknown sign-in name was locked after wrong attempts')
      await audit.recordOnce(tenant, event, nobodyOf(owner.identifier))
      return
    }
    const { accountId } = owner
    counters.count('account_locked')
    log.warn({ account: accountId, tenant, ip, ...detail }, 'account locked after wrong attempts')
    await audit.record(tenant, { ...event, accountId })
  }

  const giveBack = async (held: Held[]) => {
    for (const { place, kind, failures } of held) {
      await store.giveBack(place, rows[kind], failures)
    }
  }

  /**
   * Gives back and runs `beside` in one round trip. Not with several rows: a transaction must not lock several of them,
   * since `clear` might lock them in another order.
   */
  async function giveBackBeside(held: Held[], beside: () => Promise<unknown>): Promise<void> {
    if (held.length > 1) return void (await Promise.all([giveBack(held), beside()]))
    const together = database.unit(async (unit) => {
      await unit.open()
      unit.commitWith(async () => {
        await unit.together(() => Promise.all([giveBack(held), beside()]))
        return true
      })
      return true
    })
    await together.catch(async (error: unknown) => {
      // The failure of `beside` has undone the giving back, too; without it five right guesses would lock the account.
      await giveBack(held)
      throw error
    })
  }

  /** Counts a guess. A known browser that has used up its own guesses counts as a stranger. */
  async function take(tenant: string, guesser: Guesser): Promise<Held[] | undefined> {
    if (guesser.deviceId !== undefined) {
      const own = await takeFrom(tenant, guesser, 'device')
      if (own.spent === false) return undefined
      if (own.held) {
        const all = await takeFrom(tenant, guesser, 'devices')
        if (all.held) return [own.held, all.held]
        await giveBack([own.held])
      }
    }
    const { held } = await takeFrom(tenant, guesser, 'strangers')
    return held && [held]
  }

  return {
    devices: createKnownDevices(deps),
    nobodyOf,

    async guess(tenant, guesser, look, beside) {
      if (database.current()?.isOpen()) {
        throw new Error('an attempt must not be counted in a transaction that may be rolled back')
      }
      const held = await take(tenant, guesser)
      counters.count(held ? 'guess_checked' : 'guess_paused')
      if (!held) {
        await look(false)
        return 'locked'
      }
      const right = await look(true).catch(async (error: unknown) => {
        await giveBack(held)
        throw error
      })
      if (right) await (beside ? giveBackBeside(held, beside) : giveBack(held))
      return right ? 'right' : 'wrong'
    },

    async signedIn(tenant, accountId) {
      await store.clear(tenant, accountId)
    },

    lift: (tenant, accountId, by) =>
      database.transaction(async () => {
        const failures = await store.clear(tenant, accountId)
        if (failures < strangers.free) return false
        await audit.record(tenant, {
          type: 'account.unlocked',
          accountId,
          detail: { by, failures },
        })
        return true
      }),

    unblock: (tenant, accountId) =>
      database.transaction(async () => {
        const failures = await store.clear(tenant, accountId, strangers.most)
        if (failures === 0) return
        const detail = { by: 'owner', failures }
        await audit.record(tenant, { type: 'account.unlocked', accountId, detail })
      }),

    async list(tenant, accountIds) {
      const found = new Map<string, Lockout>()
      for (const row of await store.of(tenant, accountIds)) {
        const known = found.get(row.account_id)
        // Guesses of one known browser are included in those of all known browsers.
        const counts = row.source === 'strangers' || row.source === 'devices'
        const until = row.source === 'strangers' ? row.locked_until?.getTime() : undefined
        const lockedUntil = until !== undefined && until > clock.now() ? until : known?.lockedUntil
        found.set(row.account_id, {
          accountId: row.account_id,
          failures: (known?.failures ?? 0) + (counts ? row.failures : 0),
          refused: (known?.refused ?? 0) + row.refused,
          ...present({ lockedUntil }),
          blocked:
            (known?.blocked ?? false) ||
            (row.source === 'strangers' && row.failures >= strangers.most),
        })
      }
      return [...found.values()]
    },
    sweep: store.sweep,
  }
}
