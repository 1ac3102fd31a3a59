import { createNameCheck } from '../resources/known-names.ts'
import type { Scope, Work } from './apply-work.ts'
import { storedClients } from './stored.ts'

/** Reports names of objects that are neither in the file nor stored: typos. */
export async function checkReferences(
  { core, faults, namings }: Work,
  scope: Scope,
): Promise<void> {
  const callers = scope.resource_servers.flatMap((server) => server.introspection_clients)
  const found = callers.length === 0 ? [] : await storedClients(core, scope.id, callers)
  const clients = new Set(found.map(({ client_id: id }) => id))
  for (const { identifier, introspection_clients } of scope.resource_servers) {
    for (const id of introspection_clients.filter((name) => !clients.has(name))) {
      faults.push(`resource server ${identifier}: introspection_clients: there is no client ${id}`)
    }
  }
  const named = namings.get(scope) ?? []
  if (named.length === 0) return
  const check = createNameCheck(await core.resources.knownNames(scope.id))
  for (const { client_id: id, ...naming } of named) {
    for (const fault of check(naming)) faults.push(`client ${id}: ${fault}`)
  }
}
