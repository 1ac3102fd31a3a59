import { openidScopes, type ResourceServer } from '../resources/resource-server.ts'
import { scopeSet } from './scopes.ts'

/** A scope that nothing comes of, and the resource servers that have it: in none of them it is misspelt. */
export interface LeftOutScope {
  scope: string
  of: string[]
}

/** What the engine takes an authorization request for: with what was pushed, or what its request object says. */
export interface Asked {
  /** With what the engine takes away from those that may not have it (`offline_access`). */
  scope?: string | undefined
  resource?: string | string[] | undefined
}

/**
 * The scopes of an authorization request that its answer will lack: beside one that exists, those that no resource server
 * of the request has are left out (RFC 6749 §3.3). That is no fault, and seldom what is meant.
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
