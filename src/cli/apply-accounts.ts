import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { identifierKey } from '../accounts/account.ts'
import type { ReadyDeclared } from '../accounts/declare.ts'
import type { NewAccount } from '../accounts/new-account.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import type { Sections } from './apply-file.ts'
import { collect, type Outcome, type Work } from './apply-work.ts'
import { keyOf, type StoredItem } from './stored.ts'

/** Milliseconds before a full hash queue is tried again. */
const queuePause = 200

type DeclaredAccount = Sections['accounts'][number]

/**
 * Hashes the passwords of a file one after the other, before its transaction: each takes tens of milliseconds. Only one
 * or two hashes per account are kept in memory. A password that breaks a rule is left to the transaction, which reports
 * all faults. While the queue is full, as beside a flooded server, it waits.
 */
export async function readyPasswords(
  { core, ready, progress }: Work,
  tenant: string,
  accounts: readonly DeclaredAccount[],
): Promise<void> {
  for (const account of accounts) {
    const { password } = account
    if (password === undefined) continue
    const wanted = { ...wantedOf(account), password }
    const hash = (): Promise<ReadyDeclared | undefined> =>
      core.accounts.readyDeclared(tenant, wanted).catch(async (error: unknown) => {
        if (isDomainError(error, 'password_policy')) return undefined
        if (!isDomainError(error, 'hash_queue_full')) throw error
        await pause(queuePause)
        return hash()
      })
    const hashed = await hash()
    if (hashed) ready.set(account, hashed)
    await progress(1)
  }
}

/**
 * Creates and updates accounts as declared; new ones in few statements however many there are. Existing accounts come
 * first: a new one may get a user name that one of them gives up.
 * @param before what is stored, by `keyOf`
 * @returns the outcomes of those without faults
 */
export async function declareAccounts(
  work: Work,
  tenant: string,
  accounts: DeclaredAccount[],
  before: ReadonlyMap<string, StoredItem>,
): Promise<Outcome[]> {
  const { core } = work
  const known = ({ email }: DeclaredAccount) => before.get(keyOf('accounts', email))
  // An account with a password needs a hash, which may refuse it.
  const isPlain = (account: DeclaredAccount) =>
    known(account) === undefined && account.password === undefined
  const done = new Map<string, Outcome>()
  const note = (id: string, outcome: Omit<Outcome, 'id'>) => void done.set(id, { id, ...outcome })
  const collected = (email: string, declare: () => Promise<void>) =>
    collect(work, `account ${email}`, declare)
  const others = accounts.filter((each) => !isPlain(each))
  // A declared hash applies only to accounts without a password.
  const hashed = others.flatMap(({ email, password_hash: hash }) =>
    hash === undefined ? [] : email,
  )
  const haveOne = await core.accounts.lists.withPassword(tenant, hashed)
  for (const account of others) {
    const { email } = account
    const wanted = haveOne.has(identifierKey(email))
      ? { ...account, password_hash: undefined }
      : account
    const [stored, ahead] = [known(account), work.ready.get(account)]
    await collected(email, async () =>
      note(email, await declareAccount(core, tenant, wanted, stored, ahead)),
    )
  }
  const fresh = accounts.filter(isPlain)
  const created = await core.accounts.createAll(tenant, fresh.map(wantedOf))
  for (const [at, { email, disabled, password_hash }] of fresh.entries()) {
    await collected(email, async () => {
      if (!created[at]) throw new DomainError('account_exists', { detail: { email } })
      if (disabled) await setDisabled(core, tenant, email, disabled)
      note(email, {
        outcome: 'created',
        secret: password_hash === undefined ? undefined : 'password',
      })
    })
  }
  return accounts.flatMap(({ email }) => done.get(email) ?? [])
}

const wantedOf = (account: DeclaredAccount): NewAccount => ({
  email: account.email,
  username: account.username,
  name: account.name,
  password: account.password,
  passwordHash: account.password_hash,
  emailVerified: account.email_verified,
  roles: account.roles,
})

/** Whether an account is as declared; never true with a password, which cannot be compared. */
function isAsDeclared(account: DeclaredAccount, before: StoredItem): boolean {
  const { password, password_hash: hash, email, ...members } = account
  return (
    password === undefined &&
    hash === undefined &&
    email.trim() === before['email'] &&
    Object.entries(members).every(
      ([name, value]) => value === undefined || isDeepStrictEqual(value, before[name]),
    )
  )
}

async function setDisabled(
  core: Capabilities,
  tenant: string,
  email: string,
  disabled: boolean,
): Promise<boolean> {
  const account = await core.accounts.byIdentifier(tenant, email)
  return account !== undefined && core.revocations.setAccountDisabled(account, disabled)
}

async function declareAccount(
  core: Capabilities,
  tenant: string,
  account: DeclaredAccount,
  before: StoredItem | undefined,
  ahead: ReadyDeclared | undefined,
): Promise<Omit<Outcome, 'id'>> {
  if (before && isAsDeclared(account, before)) return { outcome: 'unchanged', secret: undefined }
  const { email, disabled } = account
  const done = await core.accounts.declare(tenant, wantedOf(account), ahead)
  const hasNewPassword = done === 'password_changed'
  if (hasNewPassword) {
    const changed = await core.accounts.byIdentifier(tenant, email)
    if (changed) await core.revocations.passwordChanged(changed)
  }
  const turned =
    disabled !== undefined &&
    disabled !== (before?.['disabled'] === true) &&
    (await setDisabled(core, tenant, email, disabled))
  const isNews = hasNewPassword || (done === 'created' && account.password !== undefined)
  const outcome = hasNewPassword ? 'updated' : done
  return {
    outcome: turned && outcome === 'unchanged' ? 'updated' : outcome,
    secret: isNews ? 'password' : undefined,
  }
}
