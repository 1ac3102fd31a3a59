import type { Capabilities } from '../oidc/capabilities.ts'

/** The addresses of those accounts of a tenant that are listed; an account that is gone has its id. */
export async function emailsById(
  { accounts }: Capabilities,
  tenant: string,
  accountIds: readonly string[],
): Promise<(accountId: string) => string> {
  const emails = await accounts.lists.emails(tenant, accountIds)
  return (accountId) => emails.get(accountId) ?? accountId
}
