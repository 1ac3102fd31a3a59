import { claimsByScope } from '../accounts/account.ts'
import type { ListedGrant } from '../grants/grant.ts'
import { present } from '../present.ts'
import { openidScopes } from '../resources/resource-server.ts'
import type { AccessView } from './pages/access.ts'
import { type Messages, scopeText } from './pages/messages.ts'
import type { PageParts } from './parts.ts'

type Access = Pick<PageParts, 'tenant' | 'resources'>

/** What a client requests, in plain words, including what was allowed before. */
export async function describeAccess(
  { tenant, resources }: Access,
  requested: { scopes: string[]; resources: string[] },
  openidClaims: string[],
  messages: Messages,
): Promise<AccessView> {
  const line = (scope: string) => ({ scope, text: scopeText(messages, scope) })
  const isOpenid = (scope: string) => (openidScopes as readonly string[]).includes(scope)
  const servers = await Promise.all(
    requested.resources.map((identifier) => resources.find(tenant, identifier)),
  )
  return {
    scopes: [...new Set([...requested.scopes, ...scopesOf(openidClaims)])]
      .filter((scope) => isOpenid(scope) && scope !== 'offline_access')
      .map(line),
    resources: servers.flatMap((server) =>
      server
        ? [
            {
              identifier: server.identifier,
              ...present({ name: server.name }),
              scopes: requested.scopes.filter((scope) => server.scopes.includes(scope)).map(line),
            },
          ]
        : [],
    ),
    offline: requested.scopes.includes('offline_access'),
  }
}

/** The same for what was allowed. */
export async function describeGrant(
  parts: Access,
  grant: Pick<ListedGrant, 'openidScopes' | 'openidClaims' | 'resources'>,
  messages: Messages,
): Promise<AccessView> {
  const openid = { scopes: grant.openidScopes, resources: [] }
  const view = await describeAccess(parts, openid, grant.openidClaims, messages)
  for (const [identifier, scopes] of Object.entries(grant.resources)) {
    const one = await describeAccess(parts, { scopes, resources: [identifier] }, [], messages)
    view.resources.push(...one.resources)
  }
  return view
}

/** Individually requested claims, as the scopes that they belong to. */
function scopesOf(claims: string[]): string[] {
  return Object.entries(claimsByScope)
    .filter(([, names]) => names.some((name) => claims.includes(name)))
    .map(([scope]) => scope)
}
