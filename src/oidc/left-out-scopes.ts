import { openidScopes, type ResourceServer } from '../resources/resource-server.ts'
import { scopeSet } from './scopes.ts'

/** A scope without effect, and the resource servers that have it; with none it is probably misspelt. */
export interface LeftOutScope {
  scope: string
  of: string[]
}

/** An authorization request as the engine understood it, with what was pushed or is in its request object. */
export interface Asked {
  /** Including scopes that the engine removes (`offline_access`). */
  scope?: string | undefined
  resource?: string | string[] | undefined
}

/**
 * The scopes of an authorization request that its answer will lack. Scopes that no resource server of the request has
 * are left out, if another one exists (RFC 6749 §3.3). That is no fault, but seldom intended.
 * @param servers all of the tenant
 */
export function leftOutScopes(
  { scope: asking, resource = [] }: Asked,
  servers: ResourceServer[],
): LeftOutScope[] {
  const named = [resource].flat()
  const asked = servers.filter(({ identifier, default: isDefault }) =>
    named.length > 0 ? named.includes(identifier) : isDefault,
  )
  const known = new Set<string>([...openidScopes, ...asked.flatMap(({ scopes }) => scopes)])
  return [...scopeSet(asking)]
    .filter((scope) => !known.has(scope))
    .map((scope) => ({
      scope,
      of: servers
        .filter(({ scopes }) => scopes.includes(scope))
        .map(({ identifier }) => identifier),
    }))
}
