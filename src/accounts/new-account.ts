import { changedMembers } from '../audit/changes.ts'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { isUniqueViolation } from '../storage/violations.ts'
import { type Account, identifierKey, type Profile, type Role } from './account.ts'

/** An account to be created or declared. */
export interface NewAccount {
  email: string
  username?: string | undefined
  name?: string | undefined
  password?: string | undefined
  /** A hash of another system (`readImportedHash`); only for an account without a password. */
  passwordHash?: string | undefined
  emailVerified?: boolean | undefined
  roles?: Role[] | undefined
}

/** Profile data that operators set; an absent member is removed. */
export type OperatorProfile = Profile & Pick<Account, 'email' | 'emailVerified'>

/** `password_changed` is an update after which sessions of the old password must end. */
export type DeclaredAccount = 'created' | 'updated' | 'password_changed' | 'unchanged'

/** The names of the given members, without values. */
export const membersOf = (wanted: NewAccount) => changedMembers(undefined, wanted)

/** Turns a unique violation into `account_exists`; the database detects duplicates (ASVS 15.4.2). */
export function taken({ email, username }: NewAccount) {
  return (cause: unknown): never => {
    if (!isUniqueViolation(cause)) throw cause
    throw isTaken({ email, username }, cause)
  }
}

export const isTaken = ({ email, username }: NewAccount, cause?: unknown): DomainError =>
  new DomainError('account_exists', { detail: { email, username }, cause })

/** @throws DomainError `apply_invalid` */
export function assertUsername(username: string | undefined): void {
  if (username === undefined || !identifierKey(username).includes('@')) return
  throw new DomainError('apply_invalid', {
    detail: `username must not contain "@", which is reserved for e-mail addresses; it is ${username}`,
  })
}

/** The row of an account; absent members keep their known values. */
export function rowOf(tenant: string, id: string, wanted: NewAccount, known?: Account) {
  const email = wanted.email.trim()
  const username = wanted.username ?? known?.username
  const name = wanted.name ?? known?.name
  assertUsername(username)
  return {
    tenant,
    id,
    email,
    emailVerified: wanted.emailVerified ?? known?.emailVerified ?? false,
    ...present({ username, name }),
    roles: wanted.roles ?? known?.roles ?? [],
  }
}
