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

/** Second factors: authenticator apps, passkeys, and recovery codes for when those are lost. */
export interface Factors {
  list(tenant: string, accountId: string): Promise<SecondFactor[]>
  /** Whether a password alone no longer signs in. */
  asked(tenant: string, accountId: string): Promise<boolean>
  /** What a sign-in requires besides a password: codes by e-mail only without a second factor. */
  secondStep(tenant: string, accountId: string): Promise<'factor' | 'email_code' | undefined>
  /**
   * Checks a code and consumes it. A wrong one counts against the account like a wrong password.
   *
   * | typed                 | right when                            | consumes                          |
   * |-----------------------|---------------------------------------|-----------------------------------|
   * | six digits            | of this step, the one before or after | the step, and every one before it |
   * | 25 letters and digits | an unused recovery code               | the code                          |
   * | anything else         | never                                 |                                   |
   *
   * @returns how it was proven; undefined when it is wrong or used, or the account is locked
   * @throws Error inside of a transaction: what is rolled back would not count
   */
  check(tenant: string, accountId: string, typed: string, by: Caller): Promise<Proof | undefined>
  /**
   * Adds an app, once its owner has shown a right code; the first factor also creates recovery codes.
   * @param app `secret` is base32, as `newTotpSecret` makes it
   * @returns `wrong` for a wrong code, `known` when the app was added already, `full` at the maximum number, `ended`
   *   when the sign-in in which it is set up was voided
   */
  add(
    tenant: string,
    accountId: string,
    app: NewFactor & { secret: string; code: string },
    by: Actor,
  ): Promise<Added | 'wrong'>
  /** What a browser needs to create a passkey, for this account and place alone. */
  passkeyOptions: Passkeys['creationOptions']
  /**
   * Adds a passkey; the first factor also creates recovery codes.
   * @param made `binding` as given to `passkeyOptions`; `credential` the browser's answer, as JSON
   * @returns `wrong` for an invalid answer, `known` when the key was added already, the rest as for an app
   */
  addPasskey(
    tenant: string,
    accountId: string,
    made: NewFactor & { binding: string; credential: string },
    by: Actor,
  ): Promise<Added | 'wrong'>
  /** Requests passkeys and checks the answers. */
  passkeys: PasskeyChecks
  /** Whether anything changed. */
  rename(tenant: string, accountId: string, id: string, name: string, by: Actor): Promise<boolean>
  /**
   * Removes a factor; recovery codes go with the last.
   * @returns whether it existed; or why it must stay
   */
  remove(tenant: string, accountId: string, id: string, by: Actor): Promise<boolean | Kept>
  /** Removes all, for an operator who has verified the owner. @returns how many there were */
  removeAll(tenant: string, accountId: string, by: Actor): Promise<number>
  /** The same for deleted accounts, with the user handles that authenticators know them by. */
  forget(tenant: string, accountIds: string[], by: Actor): Promise<void>
  /** Number of unused recovery codes. */
  codesLeft(tenant: string, accountId: string): Promise<number>
  /** Replaces the recovery codes; only their MACs are stored. None without a factor. */
  makeCodes(tenant: string, accountId: string, by: Actor): Promise<string[]>
}

interface NewFactor {
  name: string
  /** Only a password was shown: then there must be no factor yet. */
  onlyFirst: boolean
  /** When the password was checked, in milliseconds, if it is set up during a sign-in. */
  verifiedAt?: number
}

export type Added = { recoveryCodes?: string[] } | 'known' | 'full' | 'ended'

/** Why the last factor must stay: the tenant requires one; the password is too short without one. */
export type Kept = 'required' | 'short_password'

/** Who presents a code. */
export interface Caller {
  ip: string
  /** The browser's id, if the account knows it. */
  deviceId?: string | undefined
  /** Language of the notice about a recovery code. */
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

  /** One transaction: a consumed code always has its event. */
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

  /** @param quiet no letter, as that of the first factor mentions them */
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

  /** @returns false when an app with this key exists: two would accept each code twice (RFC 6238 §5.2) */
  async function isNew(tenant: string, accountId: string, secret: string): Promise<boolean> {
    const apps = await store.list(tenant, accountId)
    return !apps.some((app) => equalInConstantTime(store.secretOf(tenant, app), secret))
  }

  /** Adds a factor, up to the maximum. @param secret of an app */
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
      // After a sign-out everywhere, or if the account was disabled or deleted concurrently, nothing is added.
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

  /** Why the last one must stay, if it must. */
  async function keeps(tenant: string, accountId: string): Promise<Kept | undefined> {
    if ((await tenants.find(tenant))?.requireMfa) return 'required'
    return (await store.hasShortPassword(tenant, accountId)) ? 'short_password' : undefined
  }

  /** @param all removes all, even the last; only the last one is reported */
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
      // The code that proved the app is consumed.
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
        // The last factor may have been removed concurrently, and with it the recovery codes of its owner.
        if ((await list(tenant, accountId)).length === 0) return []
        return replaceCodes(tenant, accountId, by)
      }),
  }
}

/** A one-line name without partial characters; an empty one becomes the name of its kind. */
function nameOf(typed: string, otherwise: string): string {
  const line = typed.replace(/[\s\p{Cc}\p{Cs}]+/gu, ' ').trim()
  return [...line].slice(0, longestName).join('') || otherwise
}
