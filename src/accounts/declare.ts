import { randomUUID } from 'node:crypto'
import type { Audit, AuditEvent } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import type { Database } from '../storage/database.ts'
import type { Chosen, createAccountStore } from './account.store.ts'
import type { createChosenPasswords } from './chosen-passwords.ts'
import { type DeclaredAccount, membersOf, type NewAccount, rowOf, taken } from './new-account.ts'
import type { Passwords } from './password.ts'

/** The prepared change of a declared password. */
export interface ReadyDeclared {
  /** The stored hash that the password was compared with, if any. */
  against?: string | undefined
  /** What to store; undefined if the stored hash is of this password. */
  chosen?: Chosen
}

/** Creates and updates accounts as declared (`Accounts.declare`, `Accounts.readyDeclared`, `Accounts.createAll`). */
export function createDeclare({
  database,
  store,
  passwords,
  chosenPasswords: { hashAhead, hashOfChosen, setChosen },
  insert,
  audit,
}: {
  database: Database
  store: ReturnType<typeof createAccountStore>
  passwords: Passwords
  chosenPasswords: ReturnType<typeof createChosenPasswords>
  /** Inserts an account without a password. @returns its id */
  insert(tenant: string, wanted: NewAccount): Promise<string>
  audit: Audit
}) {
  type Found = NonNullable<Awaited<ReturnType<typeof store.byIdentifier>>>

  /**
   * @param found the account, if there is one
   * @throws DomainError `hash_queue_full`, or what `hash` throws
   */
  async function ready(
    wanted: NewAccount & { password: string },
    found: Found | undefined,
    hash: typeof hashAhead,
  ): Promise<ReadyDeclared> {
    const against = found?.password?.hash
    const isCurrent =
      found !== undefined &&
      against !== undefined &&
      (await passwords.verify(wanted.password, against, found.account.id))
    if (isCurrent) return { against }
    return { against, chosen: await hash(wanted.password, { ...found?.account, ...wanted }) }
  }

  async function readyDeclared(
    tenant: string,
    wanted: NewAccount & { password: string },
  ): Promise<ReadyDeclared> {
    return ready(wanted, await store.byIdentifier(tenant, wanted.email), hashAhead)
  }

  async function create(
    tenant: string,
    wanted: NewAccount,
    ahead: ReadyDeclared | undefined,
  ): Promise<void> {
    const { passwordHash: hash } = wanted
    const given = hasPassword(wanted)
      ? (ahead?.chosen ?? (await hashOfChosen(tenant, undefined, wanted.password, wanted)))
      : hash !== undefined && { hash, short: false }
    await database.transaction(async () => {
      const accountId = await insert(tenant, wanted)
      if (given) await setChosen(tenant, accountId, given)
      const detail = { members: membersOf(wanted) }
      await audit.record(tenant, { type: 'account.created', accountId, detail })
    })
  }

  function createAll(tenant: string, accounts: NewAccount[]): Promise<boolean[]> {
    const all = accounts.map((wanted) => ({ wanted, row: rowOf(tenant, randomUUID(), wanted) }))
    return database.transaction(async () => {
      const ids = await store.insert(
        tenant,
        all.map(({ row }) => row),
      )
      const created = all.filter(({ row }) => ids.has(row.id))
      const hashes = created.flatMap(({ wanted: { passwordHash: hash }, row: { id } }) =>
        hash === undefined ? [] : [{ accountId: id, hash, short: false, oneTime: false }],
      )
      await store.setPasswords(tenant, hashes)
      const events = created.map(({ wanted, row: { id: accountId } }): AuditEvent => {
        return { type: 'account.created', accountId, detail: { members: membersOf(wanted) } }
      })
      await audit.record(tenant, ...events)
      return all.map(({ row }) => ids.has(row.id))
    })
  }

  /** Whether anything changed. */
  function update(tenant: string, wanted: NewAccount, { account }: Found): Promise<boolean> {
    const profile = rowOf(tenant, account.id, wanted, account)
    return database.transaction(async () => {
      if ((await store.updateProfile(profile).catch(taken(wanted))) === 0) return false
      const detail = { members: changedMembers(account, { ...account, ...profile }) }
      await audit.record(tenant, { type: 'account.updated', accountId: account.id, detail })
      return true
    })
  }

  /** @returns whether the password changed */
  async function setPassword(
    tenant: string,
    wanted: NewAccount,
    found: Found,
    ahead: ReadyDeclared | undefined,
  ): Promise<boolean> {
    const { account, password } = found
    if (hasPassword(wanted)) {
      // A change of the password meanwhile makes the prepared one obsolete.
      const isFresh = ahead !== undefined && ahead.against === password?.hash
      const hash: typeof hashAhead = (chosen, owner) =>
        hashOfChosen(tenant, account.id, chosen, owner)
      const { chosen } = isFresh ? ahead : await ready(wanted, found, hash)
      if (chosen) await setChosen(tenant, account.id, chosen)
      return chosen !== undefined
    }
    if (wanted.passwordHash === undefined || password) return false
    await setChosen(tenant, account.id, { hash: wanted.passwordHash, short: false })
    return true
  }

  async function declare(
    tenant: string,
    wanted: NewAccount,
    ahead?: ReadyDeclared,
  ): Promise<DeclaredAccount> {
    const found = await store.byIdentifier(tenant, wanted.email)
    if (!found) {
      await create(tenant, wanted, ahead)
      return 'created'
    }
    const isUpdated = await update(tenant, wanted, found)
    if (await setPassword(tenant, wanted, found, ahead)) return 'password_changed'
    return isUpdated ? 'updated' : 'unchanged'
  }

  return { declare, readyDeclared, createAll }
}

const hasPassword = (wanted: NewAccount): wanted is NewAccount & { password: string } =>
  wanted.password !== undefined
