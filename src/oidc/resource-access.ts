import type { Client as EngineClient } from 'oidc-provider'
import {
  type ResourceServer as EngineResource,
  errors,
  type Grant,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import { implicitDefault, openidScopes, type ResourceServer } from '../resources/resource-server.ts'
import { accountClientId } from './account-client.ts'
import { askedScope } from './authorization-policy.ts'
import type { IssuerContext } from './capabilities.ts'
import { scopeSet } from './scopes.ts'

/** The engine's callbacks for RFC 8707. */
export interface ResourceAccess {
  /** The resource server of a request that names no resource. */
  default(): Promise<ResourceServer>
  defaultResource(
    ctx: KoaContextWithOIDC,
    client: EngineClient,
    oneOf?: readonly string[],
  ): Promise<string | string[]>
  getResourceServerInfo(
    ctx: KoaContextWithOIDC,
    identifier: string,
    client: EngineClient,
  ): Promise<EngineResource>
  /**
   * The resource server and the scopes that a machine gets, by the rules of the engine. Undefined where there is no
   * such resource server, or where it is the revocation feed.
   * @throws errors.InvalidTarget, errors.InvalidScope
   */
  forMachine(
    asked: { resource?: string | undefined; scope?: string | undefined },
    client: EngineClient,
  ): Promise<{ server: ResourceServer; scope: string | undefined } | undefined>
  /** Whether a client may introspect a token: it was issued to it, or it speaks for the audience. */
  mayIntrospect(
    clientId: string,
    token: { kind?: string | undefined; clientId?: string | undefined; aud?: unknown },
  ): Promise<boolean>
}

export function createResourceAccess(context: IssuerContext): ResourceAccess {
  const { tenant, issuer, clients, resources, config } = context

  async function defaultServer(): Promise<ResourceServer> {
    return (await resources.default(tenant)) ?? implicitDefault(issuer)
  }

  /** The issuer itself always counts as one: it has what was allowed before a default was declared. */
  async function find(identifier: string): Promise<ResourceServer | undefined> {
    const fallback = identifier === issuer ? implicitDefault(issuer) : undefined
    return (await resources.find(tenant, identifier)) ?? fallback
  }

  /**
   * The scopes of the revocation feed, which it gives as a whole: to clients acting for themselves that may introspect
   * for a resource server.
   * @throws errors.InvalidTarget, errors.InvalidScope
   */
  async function scopesOfIntrospecting(
    ctx: KoaContextWithOIDC,
    { scopes }: ResourceServer,
    client: EngineClient,
  ): Promise<Set<string>> {
    const { params } = ctx.oidc
    const alone =
      params?.['grant_type'] === 'client_credentials' && !Array.isArray(params['resource'])
    const speaksFor = alone ? await resources.introspectedBy(tenant, client.clientId) : []
    if (speaksFor.length === 0 || client['registered_by'] === 'self') {
      const why =
        speaksFor.length === 0
          ? 'no resource server lists it in introspection_clients'
          : 'it registered itself'
      throw new errors.InvalidTarget(
        `the client may not reach this resource${alone ? `: ${why}` : ''}`,
      )
    }
    const unknown = [...scopeSet(params?.['scope'])].filter((name) => !scopes.includes(name))
    if (unknown.length > 0) {
      const description = 'requested scope is not allowed for this client'
      throw new errors.InvalidScope(description, unknown.join(' '))
    }
    return new Set(scopes)
  }

  return {
    default: defaultServer,
    async defaultResource(ctx, _client, oneOf) {
      const { identifier } = await defaultServer()
      // A token is for one resource: a token request that names several is refused, not served in part.
      if (oneOf && Array.isArray(ctx.oidc.params?.['resource'])) return [...oneOf]
      if (oneOf === undefined || oneOf.includes(identifier)) return identifier
      const { Grant: grant } = ctx.oidc.entities
      // The grant shows which one was the default, and a plain request has not read it yet.
      if (!grant) return [...oneOf]
      return oneOf.find((each) => wasDefault(grant, each)) ?? (oneOf[0] as string)
    },
    async getResourceServerInfo(ctx, identifier, client) {
      const { route, entities } = ctx.oidc
      const redeems = route === 'token'
      // Where a resource server was deleted, tokens for userinfo remain to those who were allowed `openid` with it.
      const isLeft = wasDefault(entities.Grant, identifier)
      const server = (await find(identifier)) ?? (isLeft ? implicitDefault(issuer) : undefined)
      if (!server) throw new errors.InvalidTarget(undefined, 'there is no such resource server')
      const reachable = server.forIntrospectionClients
        ? await scopesOfIntrospecting(ctx, server, client)
        : reachableScopes(ctx.oidc.params ?? {}, server, client, redeems)
      assertSomethingKnown(ctx, server)
      completeScope(ctx, reachable, client)
      return {
        scope: [...reachable].join(' '),
        audience: server.identifier,
        accessTokenTTL: config.accessTokenTtl,
        accessTokenFormat: server.access_token_format,
        jwt: { sign: { alg: server.access_token_signing_alg } },
      }
    },
    async forMachine({ resource, scope }, client) {
      const server = resource === undefined ? await defaultServer() : await find(resource)
      if (!server || server.forIntrospectionClients) return undefined
      const asked = { grant_type: 'client_credentials', resource, scope }
      const reachable = reachableScopes(asked, server, client)
      // RFC 6749 §3.3: without a scope, all that it may have; else in the requested order.
      const wanted = scope === undefined ? reachable : scopeSet(scope)
      const given = [...wanted].filter((name) => reachable.has(name))
      return { server, scope: given.join(' ') || undefined }
    },
    async mayIntrospect(clientId, token) {
      if (token.clientId === clientId) return true
      if (token.kind === 'RefreshToken' || typeof token.aud !== 'string') return false
      // A client that is a document exists only once a user has allowed it something.
      const asking = await clients.find(tenant, clientId)
      if (!asking || asking.selfRegistered) return false
      const server = await find(token.aud)
      return server?.introspection_clients.includes(clientId) ?? false
    },
  }
}

/** Whether a resource server was the default one when a person allowed it the OpenID scopes. */
function wasDefault(grant: Grant | undefined, identifier: string): boolean {
  return scopeSet(grant?.getResourceScope(identifier)).has('openid')
}

/**
 * The scopes of a resource server that a client may have (architecture §7).
 *
 * | grant              | resource servers                                     | scopes                                    |
 * |--------------------|------------------------------------------------------|-------------------------------------------|
 * | with a person      | those in the client's `resources`; all others than the admin API when absent | those in its `scope`; all when absent |
 * | client_credentials | as above, and those one of whose scopes it names      | those in its `scope`; none when absent    |
 *
 * Self-registered clients reach only servers marked `open`, whatever the rows say. For the revocation feed see
 * `scopesOfIntrospecting`.
 * @param redeems whether granted scopes are redeemed: the grant then decides on the OpenID scopes, even if another
 *   resource server has become the default since
 * @throws errors.InvalidTarget, errors.InvalidScope
 */
function reachableScopes(
  asked: Record<string, unknown>,
  server: ResourceServer,
  client: EngineClient,
  redeems = false,
): Set<string> {
  const listed = client['resources'] as string[] | undefined
  if (listed && !listed.includes(server.identifier)) {
    throw new errors.InvalidTarget(
      'the client may not reach this resource: it is not in resources of the client',
    )
  }
  if (client['registered_by'] === 'self' && !server.open) {
    throw new errors.InvalidTarget(
      'the client may not reach this resource: it registered itself, and the resource server is not open',
    )
  }
  const alone = asked['grant_type'] === 'client_credentials'
  // A client must be named for such a server: the consent of an owner who signs in there must not suffice.
  if (server.namedOnly && !alone && !listed) {
    throw new errors.InvalidTarget(
      'the client may not reach this resource: it must be in resources of the client',
    )
  }
  if (alone && Array.isArray(asked['resource'])) {
    throw new errors.InvalidTarget('a token is for one resource: send a single resource parameter')
  }
  const hasOpenid = (server.default || redeems) && !alone
  const offered = [...server.scopes, ...(hasOpenid ? openidScopes : [])]
  const registered = client['registered_scope']
  const allowed = registered === undefined ? undefined : scopeSet(registered)
  if (alone && !listed && !server.default && !server.scopes.some((name) => allowed?.has(name))) {
    throw new errors.InvalidTarget(
      'the client may not reach this resource: none of its scopes is in scope of the client',
    )
  }
  const reachable = new Set(offered.filter((name) => (allowed ? allowed.has(name) : !alone)))

  const wanted = scopeSet(asked['scope'])
  const known = new Set<string>([...offered, ...openidScopes])
  const mayHave = (name: string) =>
    (allowed?.has(name) ?? !alone) && (!alone || offered.includes(name))
  const refused = [...wanted].filter((name) => known.has(name) && !mayHave(name))
  const elsewhere = alone ? [...wanted].filter((name) => !known.has(name)) : []
  if (refused.length > 0) {
    const description = 'requested scope is not allowed for this client'
    throw new errors.InvalidScope(description, [...refused, ...elsewhere].join(' '))
  }
  if (elsewhere.length > 0) {
    const description = `not a scope of ${server.identifier}: send the resource server that has it in resource`
    throw new errors.InvalidScope(description, elsewhere.join(' '))
  }
  return reachable
}

/**
 * Refuses a request of whose scopes none exists, before anybody signs in for it. Unknown scopes beside known ones are
 * left out (RFC 6749 §3.3, §4.1.2.1). With several resources, scopes are not matched to them.
 * @throws errors.InvalidScope
 */
function assertSomethingKnown(
  { oidc: { params, route } }: KoaContextWithOIDC,
  server: ResourceServer,
) {
  if (!startsAuthorization.has(route) || Array.isArray(params?.['resource'])) return
  const asked = [...scopeSet(params?.['scope'])]
  const known = new Set<string>([...openidScopes, ...server.scopes])
  if (asked.length > 0 && !asked.some((name) => known.has(name))) {
    const description =
      'none of the requested scopes exists; to request scopes of another resource server, send it in resource'
    throw new errors.InvalidScope(description, asked.join(' '))
  }
}

const startsAuthorization: ReadonlySet<string> = new Set([
  'authorization',
  'pushed_authorization_request',
  'device_authorization',
])

/**
 * Completes the scope of a request where the engine would leave it empty or drop a part of it.
 *
 * - client_credentials without `scope` gets every scope it may have (RFC 6749 §3.3: the documented default).
 * - A device authorization request without `scope` gets what its client registered, or `openid`, as
 *   authorization-policy.ts does for all others.
 * - `offline_access` also counts without `prompt=consent`: consent is asked for it as for any scope (K-06).
 */
function completeScope(
  ctx: KoaContextWithOIDC,
  reachable: Set<string>,
  client: EngineClient,
): void {
  const { params, route } = ctx.oidc
  if (!params) return
  if (params['grant_type'] === 'client_credentials' && params['scope'] === undefined) {
    if (reachable.size > 0) params['scope'] = [...reachable].join(' ')
    return
  }
  if (route === 'device_authorization') {
    params['scope'] ??= client['registered_scope'] ?? 'openid'
  }
  const isAsking = route === 'authorization' || route === 'pushed_authorization_request'
  if (!isAsking || client.clientId === accountClientId) return
  const scope = scopeSet(params['scope'])
  const entitled = client.grantTypeAllowed('refresh_token')
  if (askedScope(ctx).has('offline_access') && !scope.has('offline_access') && entitled) {
    params['scope'] = [...scope, 'offline_access'].join(' ')
  }
}
