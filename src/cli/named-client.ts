import type { Capabilities } from '../oidc/capabilities.ts'
import type { Refusal } from '../refusals/refusal.ts'

/**
 * Where the unknown client of a refused request exists now. The caller must not be able to tell a misspelt id, another
 * tenant and a disabled client apart; an operator may.
 * @returns a sentence; undefined when the client was known, or its id was not stored
 */
export async function whereItIs(
  { clients }: Capabilities,
  { check, tenant, received }: Refusal,
): Promise<string | undefined> {
  if (check !== 'client_known' || received === undefined || received.startsWith('['))
    return undefined
  const found = await clients.views.whereabouts(tenant, received)
  if (!found) return 'It does not exist in any tenant.'
  if (found.disabled) return `It is disabled in tenant ${found.tenant}.`
  return `It is in tenant ${found.tenant}${found.tenant === tenant ? ' now' : ''}.`
}
