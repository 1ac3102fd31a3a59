import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import { isCheckViolation, isForeignKeyViolation } from '../storage/violations.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { createRoleStore } from './role.store.ts'
import { type AdminRole, type Assignment, everywhere, type Subject } from './role.ts'

/** Assignments of roles. Read at every request, so that a revoked role is gone at once (ASVS 8.3.2). */
export interface Roles {
  /** The roles of an account or client of the default tenant; whether it is active must be checked elsewhere. */
  of(subject: Subject): Promise<Assignment[]>
  find(id: string): Promise<Assignment | undefined>
  /** @param reaches only these; all when undefined */
  page(
    after: string | undefined,
    which: { reaches?: string[] | undefined; limit: number },
  ): Promise<Assignment[]>
  /**
   * Joins a transaction.
   * @returns the assignment; undefined when the subject has it already
   * @throws DomainError `subject_unknown`
   */
  grant(subject: Subject, role: AdminRole, reach: string): Promise<Assignment | undefined>
  /** @param force even for the last owner. @throws DomainError `last_owner`, `role_not_found` */
  revoke(id: string, force?: boolean): Promise<void>
  /**
   * Call before disabling or deleting a subject, in the same transaction.
   * @throws DomainError `last_owner` if nobody could assign roles afterwards
   */
  assertNotLastOwner(subject: Subject): Promise<void>
  /**
   * Locks the owners until the transaction ends. Code that also locks one of their accounts must do so afterwards: one
   * lock order for all.
   */
  hold(): Promise<void>
  /** The same for many. @returns all but the last owner */
  mayGo(kind: 'accountId' | 'clientId', ids: string[]): Promise<string[]>
  /** Revokes all roles of deleted accounts; joins the transaction of that. */
  forget(accountIds: string[]): Promise<void>
  /**
   * Creates the first owners, once.
   * @param subjects creates and returns them
   * @throws DomainError `bootstrap_done`
   */
  bootstrap(subjects: () => Promise<Subject[]>): Promise<Assignment[]>
}

export function createRoles({ database, clock }: { database: Database; clock: Clock }): Roles {
  const store = createRoleStore({ database }, defaultTenant)

  async function grant(subject: Subject, role: AdminRole, reach: string) {
    const assignment: Assignment = {
      id: randomUUID(),
      subject,
      role,
      reach,
      createdAt: clock.now(),
    }
    const written = await store.insert(assignment).catch((cause: unknown) => {
      if (!isForeignKeyViolation(cause) && !isCheckViolation(cause)) throw cause
      throw new DomainError('subject_unknown', { detail: { ...subject }, cause })
    })
    return written > 0 ? assignment : undefined
  }

  async function mayGo(kind: 'accountId' | 'clientId', ids: string[]): Promise<string[]> {
    const going = new Set(ids)
    const owners = await store.lockOwners()
    const idOf = ({ subject }: Assignment) => new Map(Object.entries(subject)).get(kind) ?? ''
    if (owners.every((owner) => going.has(idOf(owner)))) going.delete(owners.map(idOf).at(-1) ?? '')
    return [...going]
  }

  const lastOwner = (subject: Subject) => new DomainError('last_owner', { detail: { ...subject } })

  return {
    of: store.of,
    find: store.find,
    page: store.page,
    grant,
    revoke: (id, force = false) =>
      database.transaction(async () => {
        const owners = await store.lockOwners()
        const [only] = owners
        if (!force && owners.length === 1 && only?.id === id) throw lastOwner(only.subject)
        if ((await store.delete(id)) === 0) throw new DomainError('role_not_found')
      }),
    async hold() {
      await store.lockOwners()
    },
    mayGo,
    async assertNotLastOwner(subject) {
      const [[kind, id]] = Object.entries(subject) as [['accountId' | 'clientId', string]]
      if ((await mayGo(kind, [id])).length === 0) throw lastOwner(subject)
    },
    async forget(accountIds) {
      await store.forget(accountIds)
    },
    bootstrap: (subjects) =>
      database.transaction(async () => {
        await store.lockBootstrap()
        if ((await store.lockOwners()).length > 0) {
          throw new DomainError('bootstrap_done', {
            detail:
              'There is already an owner: "roles list" shows it. On this machine ' +
              '"roles grant owner --client <client_id>" adds another.',
          })
        }
        const granted: Assignment[] = []
        for (const subject of await subjects()) {
          const assignment = await grant(subject, 'owner', everywhere)
          if (assignment) granted.push(assignment)
        }
        return granted
      }),
  }
}
