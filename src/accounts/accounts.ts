import { randomUUID } from 'node:crypto'
import type { Audit } from '../audit/audit.ts'
import { DomainError } from '../errors.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Lockouts } from '../lockouts/lockouts.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { hashOf } from '../secrets/handle.ts'
import { type Chosen, createAccountStore, type StoredPassword } from './account.store.ts'
import type { Account, Profile } from './account.ts'
import { type AccountLists, createAccountLists } from './account-lists.ts'
import { type AccountViews, createAccountViews } from './account-views.ts'
import type { Authenticated, MustChange, SecondStep } from './authenticated.ts'
import { createChosenPasswords, type TakesFactor } from './chosen-passwords.ts'
import { createDeclare, type ReadyDeclared } from './declare.ts'
import { createGuesses, refusalOf, type Visitor } from './guesses.ts'
import {
  assertUsername,
  type DeclaredAccount,
  isTaken,
  membersOf,
  type NewAccount,
  type OperatorProfile,
  rowOf,
  taken,
} from './new-account.ts'
import { newOneTimePassword, type Passwords } from './password.ts'
import type { PasswordOwner } from './password-policy.ts'

export interface Accounts {
  /** An existing account that is not disabled. */
  active(tenant: string, id: string): Promise<Account | undefined>
  byIdentifier(tenant: string, identifier: string): Promise<Account | undefined>
  hasOperator(tenant: string): Promise<boolean>
  /** Accounts as operators see them. */
  readonly views: AccountViews
  readonly lists: AccountLists
  /** An account that is not deleted, disabled or not. */
  find(tenant: string, id: string): Promise<Account | undefined>
  /**
   * Checks a password, with equal work for unknown, disabled, password-less and locked accounts (ASVS 6.3.8). A wrong
   * one counts against the account. A right one does not reset the count: the finished sign-in does
   * (`Lockouts.signedIn`).
   *
   * | step, in this order                                   | fails with                                |
   * |-------------------------------------------------------|-------------------------------------------|
   * | the limit of the network, unless the browser is known | `too_many_requests`                       |
   * | a place in the queue, known browsers first            | `hash_queue_full`                         |
   * | a guess of the account                                | `credentials_invalid`, after a dummy hash |
   * | the hash                                              | `credentials_invalid`                     |
   * | whether a one-time password has expired               | `one_time_password_expired`               |
   *
   * @returns the account; with `mustChange` when the password was a one-time password, or is now too short
   */
  authenticate(
    tenant: string,
    identifier: string,
    password: string,
    visitor: Visitor,
  ): Promise<Authenticated>
  /** Whether a password would be checked now; always true for a browser in which a user has signed in. */
  hasRoom(tenant: string, visitor: Visitor): boolean
  /**
   * Replaces a password that was just verified and must be changed by one that its owner chose.
   * @param verified what `authenticate` returned
   * @param tell records the change, in the same transaction
   * @throws DomainError `password_policy`; `credentials_invalid` when the password was used or replaced meanwhile
   */
  choosePassword(verified: MustChange, password: string, tell?: () => Promise<void>): Promise<void>
  /**
   * Checks the current password of a signed-in person and hashes the new one (ASVS 6.2.3). Changes nothing yet. A wrong
   * current password counts as at a sign-in.
   * @throws DomainError `credentials_invalid`, `password_policy`, and what `authenticate` throws
   */
  readyPassword(
    account: Account,
    current: string,
    chosen: string,
    visitor: Visitor,
  ): Promise<ReadyPassword>
  /**
   * Stores the new password; joins a transaction.
   * @throws DomainError `credentials_invalid` when the current one was replaced meanwhile
   */
  replacePassword(account: Account, ready: ReadyPassword): Promise<void>
  /**
   * Creates an account. Without a password it gets a one-time password, which is returned and not stored in clear.
   * @param ready a one-time password made before, for callers in a transaction
   * @throws DomainError `account_exists`, `password_policy`
   */
  create(
    tenant: string,
    account: NewAccount,
    ready?: ReadyOneTime,
  ): Promise<{ account: Account; oneTimePassword?: string }>
  /**
   * Hashes a password that an owner chose; before any transaction, which would hold a connection meanwhile.
   * @throws DomainError `password_policy`, `hash_queue_full`
   */
  hashChosen(
    owner: PasswordOwner & { tenant: string; id?: string },
    password: string,
  ): Promise<Chosen>
  /**
   * Creates an account with a result of `hashChosen`; joins the transaction that verifies the required proof.
   * @throws DomainError `account_exists`; `password_policy` when it is long enough only with a second factor, which is
   *   no longer required
   */
  enrol(tenant: string, account: NewAccount, chosen: Chosen): Promise<Account>
  /**
   * Sets a password, after the required proof was verified; joins the transaction of that.
   * @throws DomainError `password_policy` when it is long enough only with a second factor, which was removed
   *   concurrently
   */
  setChosen(account: Account, chosen: Chosen): Promise<void>
  /** Least number of characters of a new password now. @param accountId undefined for a new account */
  minLength(tenant: string, accountId: string | undefined): Promise<number>
  /** Marks the address as verified, if the account still has it. */
  verifyEmail(tenant: string, id: string, email: string): Promise<void>
  /** Changes the address, which the owner has proven to control. @throws DomainError `account_exists` */
  changeEmail(account: Account, email: string): Promise<void>
  /** Locks the account until the transaction ends. */
  lock(tenant: string, id: string): Promise<void>
  /** Generates and hashes a one-time password; before any transaction, which would hold a connection meanwhile. */
  readyOneTime(): Promise<ReadyOneTime>
  /** Sets the one-time password; the old password is void at once. */
  resetPassword(account: Account, ready: ReadyOneTime): Promise<string>
  /**
   * Sets the profile, for an operator; joins a transaction.
   * @throws DomainError `account_exists`
   */
  update(account: Account, profile: OperatorProfile): Promise<void>
  /**
   * Sets name and user name; joins a transaction.
   * @returns whether anything changed
   * @throws DomainError `account_exists` when the user name is taken
   */
  rename(account: Account, profile: Profile): Promise<boolean>
  /** Voids every sign-in whose password was checked up to now, even if it is no session yet. */
  voidSignIns(tenant: string, ids: string[]): Promise<void>
  /**
   * Whether a sign-in is still valid. Within a transaction it stays so until the end.
   * @param verifiedAt when its password was checked, in milliseconds since the epoch
   * @returns if so, when earlier sign-ins were voided, in milliseconds; 0 if none were
   */
  holdSignIn(tenant: string, id: string, verifiedAt: number): Promise<Held | undefined>
  /**
   * Disables accounts for good; joins a transaction, in which `forget` must come last. Only the id of an account stays,
   * so that its `sub` is never reassigned (security class C31).
   * @returns the accounts as they were; without the last active operator of a tenant, and without those
   *   deleted before
   */
  markDeleted(
    tenant: string,
    ids: string[],
  ): Promise<Array<Pick<Account, 'id' | 'email' | 'emailVerified'>>>
  /** Erases the names, addresses and passwords of deleted accounts. */
  forget(tenant: string, ids: string[]): Promise<void>
  /** @returns whether anything changed @param force even the last operator @throws DomainError `last_operator` */
  setDisabled(account: Account, disabled: boolean, force?: boolean): Promise<boolean>
  /**
   * Creates accounts without a password, or with the hash of another system, in few statements however many they are.
   * @returns for each whether it was created: not where its address or user name is taken
   */
  createAll(tenant: string, accounts: NewAccount[]): Promise<boolean[]>
  /**
   * Compares a declared password with the stored one, and hashes it if it differs; before the transaction of `declare`,
   * which would hold a connection meanwhile.
   * @throws DomainError `password_policy`, `hash_queue_full`
   */
  readyDeclared(tenant: string, account: NewAccount & { password: string }): Promise<ReadyDeclared>
  /**
   * Creates or updates an account as declared; the password is set when it differs.
   * @param ahead from `readyDeclared`; without it, or if the password was changed since, that work is done now
   * @throws DomainError `account_exists`, `password_policy`, `hash_queue_full`
   */
  declare(tenant: string, account: NewAccount, ahead?: ReadyDeclared): Promise<DeclaredAccount>
}

/** A valid sign-in. */
export interface Held {
  voidedAt: number
}

/** A one-time password and what is stored of it. */
export interface ReadyOneTime {
  password: string
  stored: StoredPassword
}

/** Two hashes: of the password that was verified, and of the new one. */
export interface ReadyPassword {
  current: string
  next: Chosen
}

export function createAccounts({
  database,
  clock,
  passwords,
  lockouts,
  limiter,
  audit,
  oneTimePasswordTtl,
  takesFactor,
  secondStepOf,
}: Pick<Platform, 'database' | 'clock'> & {
  passwords: Passwords
  lockouts: Lockouts
  limiter: Limiter
  audit: Audit
  /** Seconds. */
  oneTimePasswordTtl: number
  takesFactor: TakesFactor
  secondStepOf(tenant: string, id: string): Promise<SecondStep | undefined>
}): Accounts {
  const store = createAccountStore({ database, clock })

  async function fresh(tenant: string, id: string): Promise<Account> {
    return (await store.byId(tenant, id)) as Account
  }

  async function insert(tenant: string, wanted: NewAccount): Promise<string> {
    const id = randomUUID()
    const { size } = await store.insert(tenant, [rowOf(tenant, id, wanted)])
    if (size === 0) throw isTaken(wanted)
    return id
  }

  async function insertWith(tenant: string, wanted: NewAccount, password: StoredPassword) {
    const id = await insert(tenant, wanted)
    await store.setPasswords(tenant, [{ ...password, accountId: id }])
    return fresh(tenant, id)
  }

  /** Generated and hashed before any transaction, which would hold a connection meanwhile. */
  async function newOneTime(): Promise<ReadyOneTime> {
    const password = newOneTimePassword()
    const expiresAt = clock.now() + oneTimePasswordTtl * 1000
    const hash = await passwords.rehash(password)
    return { password, stored: { hash, oneTime: true, short: false, expiresAt } }
  }

  const chosenPasswords = createChosenPasswords({ database, passwords, store, takesFactor })
  const { hashOfChosen, setChosen, replace, renew } = chosenPasswords
  const { guess, hasRoom } = createGuesses({ clock, passwords, lockouts, limiter, audit })

  return {
    async active(tenant, id) {
      const account = await store.byId(tenant, id)
      return account?.disabled ? undefined : account
    },
    byIdentifier: async (tenant, identifier) =>
      (await store.byIdentifier(tenant, identifier))?.account,
    hasOperator: store.hasOperator,
    views: createAccountViews({ database }),
    lists: createAccountLists({ database }),
    find: store.known,

    async authenticate(tenant, identifier, password, visitor) {
      const found = await store.byIdentifier(tenant, identifier)
      const stored = found?.password
      let secondStep: SecondStep | undefined
      const outcome = await guess(tenant, identifier, found, password, visitor, async () => {
        if (found) secondStep = await secondStepOf(tenant, found.account.id)
      })
      if (outcome !== 'right' || !found || !stored) throw refusalOf(found, outcome)
      const { account } = found
      const named = { tenant, accountId: account.id, verified: hashOf(stored.hash) }
      const mustChange = (why: MustChange['why']) => ({ account, mustChange: { why, ...named } })
      if (stored.oneTime) {
        if ((stored.expiresAt ?? 0) <= clock.now())
          throw new DomainError('one_time_password_expired')
        return mustChange('one_time')
      }
      // An operator removed its factors, or the tenant no longer requires one.
      if (stored.short && !(await takesFactor(tenant, account.id))) return mustChange('short')
      const renewed = await renew(tenant, account.id, stored.hash, password)
      if (renewed) secondStep = await secondStepOf(tenant, account.id)
      return { account, ...present({ secondStep }) }
    },

    hasRoom,

    async choosePassword({ why, tenant, accountId, verified }, password, tell) {
      const replaced = new DomainError('credentials_invalid', {
        detail: { reason: 'the password was used or replaced meanwhile' },
      })
      const current = await store.passwordHash(tenant, accountId)
      if (current === undefined || hashOf(current) !== verified) throw replaced
      if (why === 'one_time' && (await passwords.verify(password, current, accountId))) {
        throw new DomainError('password_policy', { detail: { rule: 'same' } })
      }
      const account = await fresh(tenant, accountId)
      const chosen = await hashOfChosen(tenant, accountId, password, account)
      await database.transaction(async () => {
        if (!(await replace(tenant, accountId, current, chosen))) throw replaced
        await tell?.()
      })
    },

    async readyPassword({ tenant, email }, current, chosen, visitor) {
      const found = await store.byIdentifier(tenant, email)
      const stored = found?.password
      const outcome = await guess(tenant, email, found, current, visitor)
      const isOver = stored?.oneTime && (stored.expiresAt ?? 0) <= clock.now()
      if (outcome !== 'right' || !found || !stored || isOver) {
        throw refusalOf(found, outcome)
      }
      if (chosen === current) throw new DomainError('password_policy', { detail: { rule: 'same' } })
      const { account } = found
      return {
        current: stored.hash,
        next: await hashOfChosen(tenant, account.id, chosen, account),
      }
    },

    async replacePassword({ tenant, id }, { current, next }) {
      if (await replace(tenant, id, current, next)) return
      throw new DomainError('credentials_invalid', {
        detail: { reason: 'the password was replaced meanwhile', account: id },
      })
    },

    async create(tenant, wanted, ready) {
      const oneTime = wanted.password === undefined ? (ready ?? (await newOneTime())) : undefined
      const stored = oneTime?.stored ?? {
        ...(await hashOfChosen(tenant, undefined, wanted.password as string, wanted)),
        oneTime: false,
      }
      const account = await database.transaction(async () => {
        const made = await insertWith(tenant, wanted, stored)
        const detail = { members: membersOf(wanted) }
        await audit.record(tenant, { type: 'account.created', accountId: made.id, detail })
        return made
      })
      return { account, ...(oneTime ? { oneTimePassword: oneTime.password } : {}) }
    },

    readyOneTime: newOneTime,
    async resetPassword(account, { password, stored }) {
      await store.setPasswords(account.tenant, [{ ...stored, accountId: account.id }])
      return password
    },
    rename({ tenant, id, email }, profile) {
      assertUsername(profile.username)
      const { username } = profile
      return store.rename(tenant, id, profile).catch(taken({ email, username }))
    },
    async update({ tenant, id, roles }, { email, ...profile }) {
      assertUsername(profile.username)
      const named = { email, username: profile.username }
      await store
        .updateProfile({ tenant, id, email: email.trim(), ...profile, roles })
        .catch(taken(named))
    },
    hashChosen: (owner, password) => hashOfChosen(owner.tenant, owner.id, password, owner),
    async enrol(tenant, wanted, chosen) {
      const id = await insert(tenant, wanted)
      await setChosen(tenant, id, chosen)
      return fresh(tenant, id)
    },
    setChosen: ({ tenant, id }, chosen) => setChosen(tenant, id, chosen),
    minLength: chosenPasswords.minLength,
    async verifyEmail(tenant, id, email) {
      await store.verifyEmail(tenant, id, email)
    },
    async changeEmail({ tenant, id, email: from }, email) {
      await store.changeEmail(tenant, id, from, email).catch(taken({ email }))
    },
    lock: store.lock,
    voidSignIns: store.voidSignIns,
    holdSignIn: store.holdSignIn,
    markDeleted: store.markDeleted,
    forget: store.forget,
    setDisabled: async ({ tenant, id }, disabled, force) =>
      (await store.setDisabled(tenant, id, disabled, force)) > 0,
    ...createDeclare({ database, store, passwords, chosenPasswords, insert, audit }),
  }
}
