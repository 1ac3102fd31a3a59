import type { Account, Role } from '../accounts/account.ts'
import { DomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import { assertTenant } from './tenant-option.ts'

/** An account as commands print it. */
export interface AccountOutput {
  id: string
  email: string
  email_verified: boolean
  username?: string
  name?: string
  roles: Role[]
  disabled: boolean
}

export function accountOutput(account: Account): AccountOutput {
  return {
    id: account.id,
    email: account.email,
    email_verified: account.emailVerified,
    ...present({ username: account.username, name: account.name }),
    roles: account.roles,
    disabled: account.disabled,
  }
}

/** A one-time password as commands print it: shown once, not stored in clear. */
export interface OneTimePasswordOutput {
  one_time_password: string
  /** Seconds. */
  one_time_password_expires_in: number
}

export function renderOneTimePassword(output: OneTimePasswordOutput): string {
  const hours = Math.round(output.one_time_password_expires_in / 360) / 10
  return [
    `One-time password: ${output.one_time_password}`,
    `It is shown once and valid for ${hours} hours; the user chooses a new password at the first sign-in.`,
  ].join('\n')
}

/** @throws DomainError `account_not_found`, `not_found` for the tenant */
export async function findAccount(
  core: Capabilities,
  { tenant, identifier }: { tenant: string; identifier: string },
): Promise<Account> {
  await assertTenant(core, tenant)
  const account = await core.accounts.byIdentifier(tenant, identifier)
  if (account) return account
  throw new DomainError('account_not_found', {
    detail: `There is no account ${JSON.stringify(identifier)} in tenant ${tenant}.`,
  })
}

/** The owner to filter a list by; undefined for all. @throws DomainError as `findAccount` does */
export async function findOwner(
  core: Capabilities,
  { tenant, identifier }: { tenant: string; identifier?: string | undefined },
): Promise<Account | undefined> {
  return identifier === undefined ? undefined : findAccount(core, { tenant, identifier })
}
