import type { Capabilities } from '../oidc/capabilities.ts'

/** The addresses of the owners of what is listed, in one statement; for an account that is gone, its id. */
export async function emailsById(
  { accounts }: Capabilities,
  tenant: string,
  owned: ReadonlyArray<{ accountId: string }>,
): Promise<(accountId: string) => string> {
  const ids = owned.map(({ accountId }) => accountId)
  const emails = await accounts.lists.emails(tenant, ids)
  return (accountId) => emails.get(accountId) ?? accountId
}
