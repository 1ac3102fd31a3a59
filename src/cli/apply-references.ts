import { adminResource } from '../resources/admin-resource.ts'
import { defaultTenant, issuerOf } from '../tenants/tenant.ts'
import type { Scope, Work } from './apply-work.ts'
import { type StoredFew, storedClients } from './stored.ts'

/** What names something that is neither in the file nor stored is a mistake in writing. */
export async function checkReferences(
  { core, faults }: Work,
  scope: Scope,
  stored: StoredFew,
): Promise<void> {
  const named = scope.resource_servers.flatMap((server) => server.introspection_clients)
  const found = named.length === 0 ? [] : await storedClients(core, scope.id, named)
  const clients = new Set(found.map(({ client_id: id }) => id))
  const resources = new Set([
    ...stored.resource_servers.map(({ identifier }) => identifier),
    issuerOf(core.config.issuer, scope.id),
    ...(scope.id === defaultTenant ? [adminResource(core.config.issuer).identifier] : []),
  ])
  for (const { identifier, introspection_clients } of scope.resource_servers) {
    for (const id of introspection_clients.filter((name) => !clients.has(name))) {
      faults.push(`resource server ${identifier}: introspection_clients: there is no client ${id}`)
    }
  }
  for (const { client_id, resources: wanted = [] } of scope.clients) {
    for (const id of wanted.filter((name) => !resources.has(name))) {
      faults.push(`client ${client_id}: resources: there is no resource server ${id}`)
    }
  }
}
