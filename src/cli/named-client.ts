import type { Capabilities } from '../oidc/capabilities.ts'
import type { Refusal } from '../refusals/refusal.ts'

/**
 * Where the client is by now that a request named and that was not known: a misspelt name, another tenant and a disabled
 * client look alike to the caller, and must.
 * @returns a sentence; undefined where it was known, or what it is called is not kept
 */
export async function whereItIs(
  { clients }: Capabilities,
  { check, tenant, received }: Refusal,
): Promise<string | undefined> {
  if (check !== 'client_known' || received === undefined || received.startsWith('['))
    return undefined
  const found = await clients.views.whereabouts(tenant, received)
  if (!found) return 'No tenant has it.'
  if (found.disabled) return `It is disabled in tenant ${found.tenant}.`
  return `It is in tenant ${found.tenant}${found.tenant === tenant ? ' by now' : ''}.`
}
