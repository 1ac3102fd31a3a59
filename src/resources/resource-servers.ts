import type { Audit } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { createCache } from '../storage/cache.ts'
import type { Database } from '../storage/database.ts'
import { createResourceServerStore } from './resource-server.store.ts'
import { type ResourceServer, resourceServerDeclaration } from './resource-server.ts'

export interface ResourceServers {
  /** Every resource server of a tenant. Changes made on another node show within a second. */
  list(tenant: string): Promise<ResourceServer[]>
  find(tenant: string, identifier: string): Promise<ResourceServer | undefined>
  /** The declared default, if there is one. */
  default(tenant: string): Promise<ResourceServer | undefined>
  /**
   * Makes a resource server be as declared. Declaring a default takes that from the one that had it.
   * @throws DomainError `resource_server_invalid` naming the member, what was expected and what came
   */
  declare(tenant: string, declaration: unknown): Promise<'created' | 'updated' | 'unchanged'>
}

export function createResourceServers(deps: {
  database: Database
  clock: Clock
  /** Makes sure that there is a key to sign its tokens with. */
  signing: Pick<SigningKeys, 'ensure'>
  audit: Audit
}): ResourceServers {
  const store = createResourceServerStore(deps)
  const cache = createCache<ResourceServer[]>(deps, { maxAge: 1, maxSize: 1000 })
  const list = (tenant: string) => cache.get(tenant, () => store.list(tenant))

  return {
    list,
    find: async (tenant, identifier) =>
      (await list(tenant)).find((server) => server.identifier === identifier),
    default: async (tenant) => (await list(tenant)).find((server) => server.default),

    async declare(tenant, declaration) {
      const parsed = resourceServerDeclaration.safeParse(declaration)
      if (!parsed.success) {
        throw new DomainError('resource_server_invalid', {
          detail: {
            identifier:
              (declaration as { identifier?: unknown } | null)?.identifier ?? '(none given)',
            faults: parsed.error.issues.map(
              ({ path, message }) => `${path.join('.') || 'resource server'}: ${message}`,
            ),
          },
        })
      }
      const { access_token_format: format, access_token_signing_alg: alg } = parsed.data
      if (format === 'jwt') await deps.signing.ensure(tenant, [alg])
      const outcome = await deps.database.transaction(async () => {
        const { identifier } = parsed.data
        const known = (await store.list(tenant)).find((server) => server.identifier === identifier)
        if (parsed.data.default) {
          await store.lockDefault(tenant)
          await store.clearDefault(tenant, parsed.data.identifier)
        }
        const changed = await store.put(tenant, parsed.data)
        if (changed > 0) {
          const type = known ? 'resource_server.updated' : 'resource_server.created'
          const members = changedMembers(known, parsed.data)
          await deps.audit.record(tenant, {
            type,
            detail: { resource_server: identifier, members },
          })
        }
        return known ? (changed > 0 ? 'updated' : 'unchanged') : 'created'
      })
      cache.drop(tenant)
      return outcome
    },
  }
}
