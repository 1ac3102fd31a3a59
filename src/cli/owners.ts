import type { Capabilities } from '../oidc/capabilities.ts'

/** The addresses of a tenant's accounts by their ids; an account that is gone has its id. */
export async function emailsById(
  { accounts }: Capabilities,
  tenant: string,
): Promise<(accountId: string) => string> {
  const emails = new Map((await accounts.list(tenant)).map(({ id, email }) => [id, email]))
  return (accountId) => emails.get(accountId) ?? accountId
}
