import { isDomainError } from '../errors.ts'
import type { Database } from '../storage/database.ts'
import type { Chosen, createAccountStore } from './account.store.ts'
import type { Passwords } from './password.ts'
import { type PasswordOwner, tooShort } from './password-policy.ts'

/**
 * Whether every sign-in of an account requires a second factor. Without an id: of a new account, by the tenant's policy
 * alone.
 */
export type TakesFactor = (tenant: string, id: string | undefined) => Promise<boolean>

/**
 * Passwords that their owners chose. A shorter one is allowed where every sign-in requires a second factor (NIST SP
 * 800-63B-4 §3.1.1.2). Whether it is short is stored beside the hash, which does not show it.
 */
export function createChosenPasswords({
  database,
  passwords,
  store,
  takesFactor,
}: {
  database: Database
  passwords: Passwords
  store: ReturnType<typeof createAccountStore>
  takesFactor: TakesFactor
}) {
  const { policy } = passwords

  /**
   * Writes a password; a short one only while a second factor is required. Removing the last factor locks the account
   * row, as this does, so the two cannot interleave.
   */
  async function write<T>(
    tenant: string,
    id: string,
    { short }: Chosen,
    work: () => Promise<T>,
  ): Promise<T> {
    if (!short) return work()
    return database.transaction(async () => {
      await store.lock(tenant, id)
      if (!(await takesFactor(tenant, id))) throw tooShort(policy.minLength)
      return work()
    })
  }

  return {
    /** @param id undefined for a new account @throws DomainError `password_policy`, `hash_queue_full` */
    async hashOfChosen(
      tenant: string,
      id: string | undefined,
      password: string,
      owner: PasswordOwner,
    ): Promise<Chosen> {
      const hash = await passwords.hash(password, owner, await takesFactor(tenant, id))
      return { hash, short: policy.isShort(password) }
    },

    /**
     * The same before it is known whether a second factor will be required: `setChosen` then decides on a short one.
     * @throws DomainError `password_policy`, `hash_queue_full`
     */
    async hashAhead(password: string, owner: PasswordOwner): Promise<Chosen> {
      const hash = await passwords.hash(password, owner, true)
      return { hash, short: policy.isShort(password) }
    },

    /** @throws DomainError `password_policy` */
    setChosen: (tenant: string, id: string, chosen: Chosen) =>
      write(tenant, id, chosen, () =>
        store.setPasswords(tenant, [{ ...chosen, accountId: id, oneTime: false }]),
      ),

    /**
     * Replaces the password only if it is still the old one.
     * @returns whether it was
     * @throws DomainError `password_policy`
     */
    replace: (tenant: string, id: string, old: string, chosen: Chosen) =>
      write(tenant, id, chosen, () => store.replacePassword(tenant, id, old, chosen)),

    /**
     * Rehashes a right password whose hash is outdated; when the queue is full now, at a later sign-in.
     * @returns whether it was tried: it may have waited, so what was read of the account before may be outdated
     */
    async renew(tenant: string, id: string, old: string, password: string): Promise<boolean> {
      if (!passwords.isOutdated(old)) return false
      const fresh = await passwords.rehash(password).catch((error: unknown) => {
        if (!isDomainError(error, 'hash_queue_full')) throw error
      })
      if (fresh !== undefined) await store.renewHash(tenant, id, old, fresh)
      return true
    },

    async minLength(tenant: string, id: string | undefined): Promise<number> {
      const { minLength, minLengthWithFactor } = policy
      return (await takesFactor(tenant, id)) ? minLengthWithFactor : minLength
    },
  }
}
