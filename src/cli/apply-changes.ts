import type { Capabilities } from '../oidc/capabilities.ts'
import type { Change, Undeclared } from './apply-output.ts'
import type { Declared, Scope } from './apply-work.ts'
import { memberChanges } from './difference.ts'
import {
  identities,
  keyOf,
  type StoredFew,
  type StoredItem,
  type StoredTenant,
  storedPages,
} from './stored.ts'

/** The stored objects of kinds with few objects, by tenant. */
export interface Stored {
  tenants: StoredTenant[]
  sections: ReadonlyMap<string, StoredFew>
}

const kinds = {
  tenants: 'tenant',
  resource_servers: 'resource_server',
  clients: 'client',
  accounts: 'account',
  webhooks: 'webhook',
} as const

const sectionNames = ['resource_servers', 'clients', 'accounts', 'webhooks'] as const

/** The change of each item of the file, in order, and changes of other objects: a default that was taken away. */
export function changesOf(declared: Declared[], before: Stored, after: Stored): Change[] {
  const [old, now] = [indexOf(before), indexOf(after)]
  const seen = new Set<string>()
  const changes = declared.map(({ tenant, section, id, outcome, secret, ...known }): Change => {
    const key = placeOf(tenant, section, id)
    if (section === 'resource_servers') seen.add(key)
    const members = known.members ?? memberChanges(old.get(key), now.get(key) ?? {}, secret)
    const isChanged =
      outcome === 'unchanged' && section === 'resource_servers' && members.length > 0
    return {
      tenant,
      kind: kinds[section],
      id,
      outcome: isChanged ? 'updated' : outcome,
      members: outcome === 'unchanged' && !isChanged ? [] : members,
    }
  })
  return [...changes, ...consequences(before, now, seen)]
}

function consequences(
  before: Stored,
  now: ReadonlyMap<string, object>,
  seen: ReadonlySet<string>,
): Change[] {
  return [...before.sections].flatMap(([tenant, { resource_servers: servers }]) =>
    servers.flatMap((server): Change[] => {
      const id = String(server['identifier'])
      const key = placeOf(tenant, 'resource_servers', id)
      // Deleted objects are reported elsewhere.
      const members = seen.has(key) ? [] : memberChanges(server, now.get(key) ?? server)
      if (members.length === 0) return []
      return [{ tenant, kind: 'resource_server', id, outcome: 'updated', members }]
    }),
  )
}

/**
 * Stored objects that are not in the file, in the tenants that it covers.
 * @param whole whether the file covers all tenants
 */
export async function undeclaredIn(
  core: Capabilities,
  stored: Stored,
  { scopes, whole }: { scopes: Scope[]; whole: boolean },
): Promise<Undeclared[]> {
  const declared = new Set(
    scopes.flatMap((scope) =>
      sectionNames.flatMap((section) =>
        scope[section].map((item) => placeOf(scope.id, section, idOf(section, item))),
      ),
    ),
  )
  const spokenOf = new Set(scopes.map(({ id }) => id))
  const found = stored.tenants.flatMap(({ id }): Undeclared[] =>
    whole && !spokenOf.has(id) ? [{ tenant: id, kind: 'tenant', id }] : [],
  )
  for (const tenant of stored.sections.keys()) {
    for await (const [section, items] of storedPages(core, tenant)) {
      for (const id of items.map((item) => idOf(section, item))) {
        if (!declared.has(placeOf(tenant, section, id)))
          found.push({ tenant, kind: kinds[section], id })
      }
    }
  }
  return found
}

function indexOf({ tenants, sections }: Stored): Map<string, object> {
  return new Map<string, object>([
    ...tenants.map((tenant): [string, object] => [
      placeOf(tenant.id, 'tenants', tenant.id),
      tenant,
    ]),
    ...[...sections].flatMap(([tenant, stored]) =>
      (['resource_servers', 'webhooks'] as const).flatMap((section) =>
        stored[section].map((item): [string, object] => [
          placeOf(tenant, section, idOf(section, item)),
          item,
        ]),
      ),
    ),
  ])
}

function idOf(section: keyof typeof identities, item: StoredItem): string {
  return String(item[identities[section]])
}

function placeOf(tenant: string, section: Declared['section'], id: string): string {
  return JSON.stringify([tenant, section, section === 'tenants' ? id : keyOf(section, id)])
}
