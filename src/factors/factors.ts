import { randomUUID } from 'node:crypto'
import type { Audit } from '../audit/audit.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import type { SingleUse } from '../single-use/single-use.ts'
import { isUniqueViolation } from '../storage/violations.ts'
import type { Tenants } from '../tenants/tenants.ts'
import { createFactorStore } from './factor.store.ts'
import { Refused } from './passkey-answer.ts'
import { createPasskeyChecks, type PasskeyChecks } from './passkey-checks.ts'
import { createPasskeys, type Passkeys } from './passkeys.ts'
import { newRecoveryCodes, recoveryCodeIn } from './recovery-codes.ts'
import {
  type FactorKind,
  longestName,
  mostFactors,
  type Proof,
  type SecondFactor,
} from './second-factor.ts'
import { stepOfCode, totpCodeIn } from './totp.ts'
import type { Actor, FactorTrail } from './trail.ts'

/** What somebody signs in with beside a password: codes of an app, passkeys, and recovery codes for when those are lost. */
export interface Factors {
  list(tenant: string, accountId: string): Promise<SecondFactor[]>
  /** Whether a password alone signs this account in no more. */
  asked(tenant: string, accountId: string): Promise<boolean>
  /** What a sign-in takes beside a password: codes by e-mail where there is no second factor. */
  secondStep(tenant: string, accountId: string): Promise<'factor' | 'email_code' | undefined>
  /**
   * Checks a code and spends it. A wrong one counts against the account like a wrong password.
   *
   * | typed                          | right when                             | used up by                          |
   * |--------------------------------|----------------------------------------|-------------------------------------|
   * | six digits                     | of this step, the one before or after  | the step, and every one before it   |
   * | 25 letters and digits          | it was not used yet                    | itself                              |
   * | anything else                  | never                                  |                                     |
   *
   * @returns how it was shown; undefined when it is wrong, was used, or no tries are left
   * @throws Error inside of a transaction: what is rolled back would not count
   */
  check(tenant: string, accountId: string, typed: string, by: Caller): Promise<Proof | undefined>
  /**
   * Adds an app, once its owner has shown that it makes the right codes; the first one brings recovery codes.
   * @param app `secret` is base32, as `newTotpSecret` makes it
   * @returns `wrong` for a code that does not fit, `known` when it is there already, `full` when there are as many as
   *   there may be, `ended` when the sign-in was voided that it is set up in
   */
  add(
    tenant: string,
    accountId: string,
    app: NewFactor & { secret: string; code: string },
    by: Actor,
  ): Promise<Added | 'wrong'>
  /** What a browser needs to make a passkey, for this account and this place alone. */
  passkeyOptions: Passkeys['creationOptions']
  /**
   * Adds a passkey that a browser has made; the first factor brings recovery codes.
   * @param made `binding` is what `passkeyOptions` was given; `credential` what came of it, as JSON
   * @returns `wrong` for what does not answer it, `known` when the key is there already, the rest as for an app
   */
  addPasskey(
    tenant: string,
    accountId: string,
    made: NewFactor & { binding: string; credential: string },
    by: Actor,
  ): Promise<Added | 'wrong'>
  /** Asks for a passkey, and checks what comes. */
  passkeys: PasskeyChecks
  /** Whether anything changed. */
  rename(tenant: string, accountId: string, id: string, name: string, by: Actor): Promise<boolean>
  /**
   * Removes one; recovery codes go with the last.
   * @returns whether it was there; why it stays
   */
  remove(tenant: string, accountId: string, id: string, by: Actor): Promise<boolean | Kept>
  /** Removes all, for an operator who knows who asks; how many there were. */
  removeAll(tenant: string, accountId: string, by: Actor): Promise<number>
  /** The same for accounts that are deleted, with the names that devices know them by. */
  forget(tenant: string, accountIds: string[], by: Actor): Promise<void>
  /** Recovery codes that were not used yet. */
  codesLeft(tenant: string, accountId: string): Promise<number>
  /** New ones, which are stored nowhere in clear; those before are void. None where there is no factor to stand in for. */
  makeCodes(tenant: string, accountId: string, by: Actor): Promise<string[]>
}

interface NewFactor {
  name: string
  /** Nothing but a password was shown: then there must be none yet. */
  onlyFirst: boolean
  /** When the password was checked, in milliseconds, where it is set up on the way to a session. */
  verifiedAt?: number
}

export type Added = { recoveryCodes?: string[] } | 'known' | 'full' | 'ended'

/** Why the last factor is not removed: the tenant requires one of everybody; the password is too short without one. */
export type Kept = 'required' | 'short_password'

/** Who shows a code. */
export interface Caller {
  ip: string
  /** The browser, when it is known to the account. */
  deviceId?: string | undefined
  /** In which the owner is told of a recovery code. */
  language?: MailLanguage | undefined
}

export interface Dependencies
  extends Pick<Platform, 'config' | 'database' | 'clock' | 'log' | 'sealer'> {
  audit: Audit
  lockouts: Lockouts
  singleUse: SingleUse
  tenants: Tenants
  trail: FactorTrail
}

export function createFactors(deps: Dependencies): Factors {
  const { database, clock, log, sealer, lockouts, tenants } = deps
  const store = createFactorStore(deps)
  const passkeys = createPasskeys(deps)
  const { record } = deps.trail
  const macOf = (accountId: string, code: string) =>
    sealer.mac('recovery-code', JSON.stringify([accountId, code]))

  async function spendTotp(tenant: string, accountId: string, code: string): Promise<boolean> {
    for (const factor of await store.list(tenant, accountId)) {
      const step = stepOfCode(store.secretOf(tenant, factor), code, clock.seconds())
      if (step !== undefined && (await store.spendStep(tenant, factor.id, step))) return true
    }
    return false
  }

  /** One transaction: a code that counts as used has its event. */
  function spendRecovery(
    tenant: string,
    accountId: string,
    code: string,
    { ip, language }: Caller,
  ) {
    return database.transaction(async () => {
      if (!(await store.spendCode(tenant, accountId, macOf(accountId, code)))) return false
      const left = await store.codesLeft(tenant, accountId)
      const event = { type: 'account.recovery_code_used', accountId, detail: { left } } as const
      await record(tenant, event, { by: 'owner', ip, language })
      return true
    })
  }

  /** @param quiet with the first factor, whose letter says it */
  async function replaceCodes(
    tenant: string,
    accountId: string,
    by: Actor,
    quiet = false,
  ): Promise<string[]> {
    const codes = newRecoveryCodes()
    const macs = codes.map((code) => macOf(accountId, recoveryCodeIn(code) as string))
    await store.replaceCodes(tenant, accountId, macs)
    const detail = { codes: codes.length }
    await record(tenant, { type: 'account.recovery_codes_made', accountId, detail }, by, quiet)
    return codes
  }

  async function list(tenant: string, accountId: string): Promise<SecondFactor[]> {
    const apps = await store.list(tenant, accountId)
    const keys = await passkeys.store.list(tenant, accountId)
    return [
      ...apps.map(({ sealed: _sealed, ...app }) => app),
      ...keys.map(({ id, name, createdAt, lastUsedAt, backedUp }) => ({
        id,
        kind: 'passkey' as const,
        name,
        createdAt,
        backedUp,
        ...present({ lastUsedAt }),
      })),
    ].toSorted((a, b) => a.createdAt - b.createdAt)
  }

  const storeOf = ({ kind }: SecondFactor) => (kind === 'totp' ? store : passkeys.store)

  /** @returns false when an app with this key is there: two of them would take each of its codes twice (RFC 6238 §5.2) */
  async function isNew(tenant: string, accountId: string, secret: string): Promise<boolean> {
    const apps = await store.list(tenant, accountId)
    return !apps.some((app) => equalInConstantTime(store.secretOf(tenant, app), secret))
  }

  /** Adds one, as long as there may be more. @param secret of an app */
  function insert(
    tenant: string,
    accountId: string,
    {
      kind,
      onlyFirst,
      verifiedAt,
      secret,
    }: { kind: FactorKind; secret?: string } & Omit<NewFactor, 'name'>,
    by: Actor,
    write: (id: string) => Promise<void>,
  ): Promise<Added> {
    return database.transaction(async () => {
      // Who was signed out everywhere meanwhile, or disabled, or deleted, adds nothing.
      if (!(await store.hold(tenant, accountId, verifiedAt))) return 'ended'
      if (secret !== undefined && !(await isNew(tenant, accountId, secret))) return 'known'
      const known = await list(tenant, accountId)
      const alike = known.filter((factor) => factor.kind === kind)
      if (alike.length >= mostFactors[kind] || (onlyFirst && known.length > 0)) return 'full'
      const id = randomUUID()
      await write(id)
      const detail = { factor: id, kind }
      await record(tenant, { type: 'account.factor_added', accountId, detail }, by)
      if (known.length > 0) return {}
      return { recoveryCodes: await replaceCodes(tenant, accountId, by, true) }
    })
  }

  function removeAll(tenant: string, accountId: string, by: Actor): Promise<number> {
    return database.transaction(async () => {
      await store.hold(tenant, accountId)
      const known = await list(tenant, accountId)
      for (const { id } of known) {
        await removeHeld(tenant, accountId, id, by, { quiet: id !== known.at(-1)?.id })
      }
      return known.length
    })
  }

  /** Why the last one stays, if it does. */
  async function keeps(tenant: string, accountId: string): Promise<Kept | undefined> {
    if ((await tenants.find(tenant))?.requireMfa) return 'required'
    return (await store.hasShortPassword(tenant, accountId)) ? 'short_password' : undefined
  }

  /** @param all when all go, whatever speaks for the last: that one alone is told of */
  async function removeHeld(
    tenant: string,
    accountId: string,
    id: string,
    by: Actor,
    all?: { quiet: boolean },
  ): Promise<boolean | Kept> {
    const known = await list(tenant, accountId)
    const factor = known.find((each) => each.id === id)
    if (!factor) return false
    const kept = known.length > 1 || all ? undefined : await keeps(tenant, accountId)
    if (kept) return kept
    if (!(await storeOf(factor).remove(tenant, accountId, id))) return false
    if (known.length === 1) await store.replaceCodes(tenant, accountId, [])
    const detail = { factor: id, kind: factor.kind, left: known.length - 1 }
    const event = { type: 'account.factor_removed', accountId, detail } as const
    await record(tenant, event, by, all?.quiet)
    return true
  }

  return {
    list,
    asked: async (tenant, accountId) => (await store.asked(tenant, accountId)) === 'factor',
    secondStep: store.asked,
    passkeys: createPasskeyChecks(deps, passkeys),
    passkeyOptions: passkeys.creationOptions,

    async check(tenant, accountId, typed, by) {
      const { ip, deviceId } = by
      const totp = totpCodeIn(typed)
      const recovery = recoveryCodeIn(typed)
      const outcome = await lockouts.guess(
        tenant,
        { owner: { accountId }, deviceId, ip },
        async (may) => {
          if (!may) return false
          if (totp !== undefined) return spendTotp(tenant, accountId, totp)
          return recovery !== undefined && spendRecovery(tenant, accountId, recovery, by)
        },
      )
      if (outcome !== 'right') return undefined
      return totp === undefined ? 'recovery' : 'totp'
    },

    async add(tenant, accountId, { secret, name, code, ...when }, by) {
      const typed = totpCodeIn(code)
      const step = typed && stepOfCode(secret, typed, clock.seconds())
      if (!step) return 'wrong'
      const called = nameOf(name, 'Authenticator')
      // The code that proved it is used up with it.
      return insert(tenant, accountId, { kind: 'totp', secret, ...when }, by, (id) =>
        store.insert(tenant, accountId, { id, name: called, secret, lastStep: step }),
      )
    },

    async addPasskey(tenant, accountId, { binding, credential, name, ...when }, by) {
      try {
        const made = await passkeys.verifyNew(tenant, binding, credential)
        const called = nameOf(name, 'Passkey')
        return await insert(tenant, accountId, { kind: 'passkey', ...when }, by, (id) =>
          passkeys.store.insert(tenant, accountId, { ...made, id, name: called }),
        )
      } catch (error) {
        if (isUniqueViolation(error, 'uq_passkeys_credential')) return 'known'
        if (!(error instanceof Refused)) throw error
        log.info({ account: accountId, reason: error.message, ip: by.ip }, 'new passkey refused')
        return 'wrong'
      }
    },

    rename: (tenant, accountId, id, name, by) =>
      database.transaction(async () => {
        const known = await list(tenant, accountId)
        const factor = known.find((each) => each.id === id)
        if (!factor) return false
        const called = nameOf(name, factor.kind === 'totp' ? 'Authenticator' : 'Passkey')
        if (!(await storeOf(factor).rename(tenant, accountId, id, called))) return false
        const detail = { factor: id }
        await record(tenant, { type: 'account.factor_renamed', accountId, detail }, by)
        return true
      }),

    remove: (tenant, accountId, id, by) =>
      database.transaction(async () => {
        await store.hold(tenant, accountId)
        return removeHeld(tenant, accountId, id, by)
      }),

    removeAll,
    forget: (tenant, accountIds, by) =>
      database.transaction(async () => {
        for (const accountId of await store.owners(tenant, accountIds)) {
          await removeAll(tenant, accountId, by)
        }
        await passkeys.store.forget(tenant, accountIds)
      }),

    codesLeft: store.codesLeft,
    makeCodes: (tenant, accountId, by) =>
      database.transaction(async () => {
        await store.hold(tenant, accountId)
        // The last one may have gone meanwhile, and theirs with it.
        if ((await list(tenant, accountId)).length === 0) return []
        return replaceCodes(tenant, accountId, by)
      }),
  }
}

/** A name that fits a line, of whole characters; what is left empty is called by what it is. */
function nameOf(typed: string, otherwise: string): string {
  const line = typed.replace(/[\s\p{Cc}\p{Cs}]+/gu, ' ').trim()
  return [...line].slice(0, longestName).join('') || otherwise
}
