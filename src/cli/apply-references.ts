import { unknownNames } from '../resources/known-names.ts'
import type { Scope, Work } from './apply-work.ts'
import { storedClients } from './stored.ts'

/** What names something that is neither in the file nor stored is a mistake in writing. */
export async function checkReferences({ core, faults }: Work, scope: Scope): Promise<void> {
  const named = scope.resource_servers.flatMap((server) => server.introspection_clients)
  const found = named.length === 0 ? [] : await storedClients(core, scope.id, named)
  const clients = new Set(found.map(({ client_id: id }) => id))
  for (const { identifier, introspection_clients } of scope.resource_servers) {
    for (const id of introspection_clients.filter((name) => !clients.has(name))) {
      faults.push(`resource server ${identifier}: introspection_clients: there is no client ${id}`)
    }
  }
  if (scope.clients.length === 0) return
  const known = await core.resources.knownNames(scope.id)
  for (const client of scope.clients) {
    for (const fault of unknownNames(client, known)) {
      faults.push(`client ${client.client_id}: ${fault}`)
    }
  }
}
