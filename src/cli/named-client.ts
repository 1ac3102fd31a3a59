import type { Capabilities } from '../oidc/capabilities.ts'
import type { Refusal } from '../refusals/refusal.ts'

/**
 * Where the client is by now that a request named and that was not known: a misspelt name, another tenant and a disabled
 * client look alike to the caller, and must.
 * @returns a sentence; undefined where it was known, or what it is called is not kept
 */
export async function whereItIs(
  { clients, tenants }: Capabilities,
  { check, tenant, received }: Refusal,
): Promise<string | undefined> {
  if (check !== 'client_known' || received === undefined || received.startsWith('['))
    return undefined
  if (await clients.isDisabled(tenant, received)) return `It is disabled in tenant ${tenant}.`
  if (await clients.find(tenant, received)) return `It is in tenant ${tenant} by now.`
  for (const { id } of await tenants.list()) {
    if (id !== tenant && (await clients.find(id, received))) return `It is in tenant ${id}.`
  }
  return 'No tenant has it.'
}
