import { randomUUID } from 'node:crypto'
import type { Audit, AuditEvent } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import type { Database } from '../storage/database.ts'
import type { createAccountStore } from './account.store.ts'
import type { createChosenPasswords } from './chosen-passwords.ts'
import { type DeclaredAccount, membersOf, type NewAccount, rowOf, taken } from './new-account.ts'
import type { Passwords } from './password.ts'

/** Makes accounts be as declared (`Accounts.declare`, `Accounts.createAll`). */
export function createDeclare({
  database,
  store,
  passwords,
  chosenPasswords: { hashOfChosen, setChosen },
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

  async function create(tenant: string, wanted: NewAccount): Promise<void> {
    const { password, passwordHash: hash } = wanted
    const given =
      password === undefined
        ? hash !== undefined && { hash, short: false }
        : await hashOfChosen(tenant, undefined, password, wanted)
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

  /** Whether there is another password now. */
  async function setPassword(
    tenant: string,
    wanted: NewAccount,
    { account, password }: Found,
  ): Promise<boolean> {
    if (
      wanted.password !== undefined &&
      !(await passwords.verify(wanted.password, password?.hash, account.id))
    ) {
      const owner = { ...account, ...wanted }
      const chosen = await hashOfChosen(tenant, account.id, wanted.password, owner)
      await setChosen(tenant, account.id, chosen)
      return true
    }
    if (wanted.passwordHash === undefined || password) return false
    await setChosen(tenant, account.id, { hash: wanted.passwordHash, short: false })
    return true
  }

  async function declare(tenant: string, wanted: NewAccount): Promise<DeclaredAccount> {
    const found = await store.byIdentifier(tenant, wanted.email)
    if (!found) {
      await create(tenant, wanted)
      return 'created'
    }
    const isUpdated = await update(tenant, wanted, found)
    if (await setPassword(tenant, wanted, found)) return 'password_changed'
    return isUpdated ? 'updated' : 'unchanged'
  }

  return { declare, createAll }
}
