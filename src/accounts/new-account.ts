import { changedMembers } from '../audit/changes.ts'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { isUniqueViolation } from '../storage/violations.ts'
import { type Account, identifierKey, type Profile, type Role } from './account.ts'

/** An account as somebody wants it. */
export interface NewAccount {
  email: string
  username?: string | undefined
  name?: string | undefined
  password?: string | undefined
  /** Of another system (`readImportedHash`); only for an account that has no password. */
  passwordHash?: string | undefined
  emailVerified?: boolean | undefined
  roles?: Role[] | undefined
}

/** What operators say of a person; what is absent is taken away. */
export type OperatorProfile = Profile & Pick<Account, 'email' | 'emailVerified'>

/** `password_changed` is an update after which whoever knew the old password must be gone. */
export type DeclaredAccount = 'created' | 'updated' | 'password_changed' | 'unchanged'

/** The names of what was given, not the values. */
export const membersOf = (wanted: NewAccount) => changedMembers(undefined, wanted)

/** Says whose address or user name is taken; the unique keys find out (ASVS 15.4.2). */
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
    detail: `username must not contain "@", so that it can never be somebody's e-mail address; it is ${username}`,
  })
}

/** An account as it is stored: what is not said stays as it is known. */
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
