import type { Capabilities } from '../oidc/capabilities.ts'

/** E-mail addresses of the owners of listed objects, in one statement; the id for a deleted account. */
export async function emailsById(
  { accounts }: Capabilities,
  tenant: string,
  owned: ReadonlyArray<{ accountId: string }>,
): Promise<(accountId: string) => string> {
  const ids = owned.map(({ accountId }) => accountId)
  const emails = await accounts.lists.emails(tenant, ids)
  return (accountId) => emails.get(accountId) ?? accountId
}
