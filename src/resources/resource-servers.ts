import type { Config } from '../../config/config.ts'
import type { Audit } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { createCache } from '../storage/cache.ts'
import type { Changes } from '../storage/changes.ts'
import { defaultTenant, issuerOf } from '../tenants/tenant.ts'
import { adminResource } from './admin-resource.ts'
import type { KnownNames } from './known-names.ts'
import { createResourceServerStore } from './resource-server.store.ts'
import {
  implicitDefault,
  openidScopes,
  type ResourceServer,
  resourceServerDeclaration,
} from './resource-server.ts'
import { revocationsResource, signalsResource } from './revocations-resource.ts'

export interface ResourceServers {
  /** All resource servers of a tenant. Changes by another node show within a second. */
  list(tenant: string): Promise<ResourceServer[]>
  /** Also finds built-in ones. */
  find(tenant: string, identifier: string): Promise<ResourceServer | undefined>
  /** Those whose tokens a client may introspect as their operator. */
  introspectedBy(tenant: string, clientId: string): Promise<ResourceServer[]>
  /** The names that clients can use; bypasses caches, and joins the transaction of this context. */
  knownNames(tenant: string): Promise<KnownNames>
  /** The declared default, if there is one. */
  default(tenant: string): Promise<ResourceServer | undefined>
  /**
   * Creates or updates a resource server as declared. A new default replaces the previous one.
   * @param only `new`: fails for an existing one
   * @throws DomainError `resource_server_invalid` naming the member, what was expected and what came; `built_in`,
   *   `already_exists`
   */
  declare(
    tenant: string,
    declaration: unknown,
    only?: 'new',
  ): Promise<'created' | 'updated' | 'unchanged'>
  /** Resource servers as operators see them. */
  page: ReturnType<typeof createResourceServerStore>['page']
  /**
   * Deletes it. No new tokens are issued for it; existing ones stay valid until they expire.
   * @returns whether it existed
   */
  delete(tenant: string, identifier: string): Promise<boolean>
}

export function createResourceServers(
  deps: Pick<Platform, 'database' | 'clock'> & {
    changes: Changes
    /** Ensures that there is a key to sign its tokens with. */
    signing: Pick<SigningKeys, 'ensure'>
    audit: Audit
    config: Pick<Config, 'issuer'>
  },
): ResourceServers {
  const store = createResourceServerStore(deps)
  const { changes } = deps
  const cache = createCache<ResourceServer[]>(deps, { maxAge: 60, maxSize: 1000, changes })
  changes.follow('resource_server', { changed: cache.drop, muchChanged: cache.clear })
  const list = (tenant: string) => cache.get(tenant, () => store.list(tenant))

  /** The built-in resource servers. */
  function builtInOf(tenant: string): ResourceServer[] {
    const issuer = issuerOf(deps.config.issuer, tenant)
    const ofTenant = [revocationsResource(issuer), signalsResource(issuer)]
    return tenant === defaultTenant ? [...ofTenant, adminResource(issuer)] : ofTenant
  }

  function builtIn(tenant: string, identifier: string): ResourceServer | undefined {
    if (!identifier.startsWith(issuerOf(deps.config.issuer, tenant))) return undefined
    return builtInOf(tenant).find((server) => server.identifier === identifier)
  }

  return {
    list,
    find: async (tenant, identifier) =>
      builtIn(tenant, identifier) ??
      (await list(tenant)).find((server) => server.identifier === identifier),
    introspectedBy: async (tenant, clientId) =>
      (await list(tenant)).filter((server) => server.introspection_clients.includes(clientId)),
    async knownNames(tenant) {
      const fallback = implicitDefault(issuerOf(deps.config.issuer, tenant))
      const servers = [...(await store.list(tenant)), fallback, ...builtInOf(tenant)]
      return {
        scopes: new Set([...openidScopes, ...servers.flatMap(({ scopes }) => scopes)]),
        resources: new Set(servers.map(({ identifier }) => identifier)),
      }
    },
    default: async (tenant) => (await list(tenant)).find((server) => server.default),

    page: store.page,
    async delete(tenant, identifier) {
      const deleted = await deps.database.transaction(async () => {
        if ((await store.delete(tenant, identifier)) === 0) return false
        await deps.audit.record(tenant, {
          type: 'resource_server.deleted',
          detail: { resource_server: identifier },
        })
        return true
      })
      cache.drop(tenant)
      return deleted
    },

    async declare(tenant, declaration, only) {
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
      const { identifier } = parsed.data
      // The admin API belongs to the default tenant, but its identifier is reserved in all.
      if (builtIn(tenant, identifier) ?? builtIn(defaultTenant, identifier)) {
        throw new DomainError('built_in', { detail: { identifier } })
      }
      const { access_token_format: format, access_token_signing_alg: alg } = parsed.data
      if (format === 'jwt') await deps.signing.ensure(tenant, [alg])
      const outcome = await deps.database.transaction(async () => {
        const [known] = await store.page(tenant, { identifier, limit: 1 })
        if (parsed.data.default) {
          await store.lockDefault(tenant)
          await store.clearDefault(tenant, identifier)
        }
        const changed = await store.put(tenant, parsed.data, only)
        if (only === 'new' && changed === 0) {
          throw new DomainError('already_exists', { detail: { identifier } })
        }
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
