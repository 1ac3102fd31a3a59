import type { Context, Middleware } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { networkOf } from '../attempts/network.ts'
import type { Client } from '../clients/client.ts'
import { hasChosenSecret } from '../clients/client-secrets.ts'
import type { Share } from '../limits/limiter.ts'
import type { IssuerContext } from './capabilities.ts'
import { routes } from './routes.ts'

/** Where clients authenticate. */
const guarded: ReadonlySet<string> = new Set([
  routes.token,
  routes.introspection,
  routes.revocation,
  routes.pushed_authorization_request,
  routes.device_authorization,
  routes.backchannel_authentication,
])

function sharesOf(ip: string, clientId: string) {
  const network = networkOf(ip)
  return {
    pair: { limit: 'client_pair', subject: JSON.stringify([network, clientId]) },
    network: { limit: 'client_network', subject: network },
    total: { limit: 'client_total', subject: clientId },
    told: { limit: 'client_told', subject: JSON.stringify([network, clientId]) },
  } satisfies Record<string, Share>
}

/**
 * Before anything of a client is looked at. Only failures count, so that a client whose requests are right is never
 * limited; and only where it has failed itself, so that nobody shuts it out from elsewhere, nor a broken neighbour
 * behind the same address.
 * @throws DomainError `too_many_requests`
 */
export function assertMayAuthenticate(
  { tenant, limiter }: IssuerContext,
  ctx: Context | undefined,
  clientId: string,
): void {
  if (!ctx || !guarded.has(ctx.path)) return
  const { pair, network, total } = sharesOf(ctx.ip, clientId)
  limiter.assertLeft(tenant, pair)
  if (limiter.hasNoted(tenant, pair)) limiter.assertLeft(tenant, network, total)
}

/**
 * For when no client has the name. Where a network has nothing left, a further made-up name is refused without being
 * counted or written down. Clients that exist never come here, whatever their neighbours do.
 * @throws DomainError `too_many_requests`
 */
export function assertMayBeUnknown(
  { tenant, limiter }: IssuerContext,
  ctx: Context | undefined,
): void {
  if (!ctx || !guarded.has(ctx.path)) return
  limiter.assertLeft(tenant, sharesOf(ctx.ip, '').network)
}

/** Whether the limits may have a say in a request: the client has failed from there, as far as this process knows. */
export function hasFailedHere(
  { tenant, limiter }: IssuerContext,
  ip: string,
  clientId: string,
): boolean {
  return limiter.hasNoted(tenant, sharesOf(ip, clientId).pair)
}

/**
 * Counts failed authentications, for the limits and in the audit, whichever way the client is registered for.
 *
 * | who fails                                                    | counts for the limits | is told of              |
 * |--------------------------------------------------------------|-----------------------|-------------------------|
 * | a name that no client has                                    | yes                   | until a limit is spent  |
 * | a client with a secret that somebody chose                   | yes                   | likewise                |
 * | a client with keys, a certificate, a secret of ours, nothing | no                    | until its own is spent  |
 *
 * Nobody hits upon 256 random bits, a signature or a certificate: a limit would shut the client out of its network by
 * what anybody there sends in its name, and protect nothing. What a check costs is a part of what the request costs,
 * which is bounded as all requests are (http/admission.ts).
 */
export function countFailedAuthentication(context: IssuerContext): Middleware {
  const { tenant, limiter, clientDocuments } = context
  return async (ctx, next) => {
    await next()
    if (!guarded.has(ctx.path) || !isFailure(ctx.body)) return
    const named = clientIdIn(ctx)
    const client = await clientDocuments.find(tenant, named)
    const { pair, network, total, told } = sharesOf(ctx.ip, named)
    if (client === undefined || hasChosenSecret(client)) {
      await limiter.note(tenant, pair, network, total)
    } else if (!(await limiter.took(tenant, told))) return
    await audited(context, ctx, client)
  }
}

/** What nobody is called is anybody's invention, and is counted together. */
async function audited({ tenant, audit }: IssuerContext, ctx: Context, client: Client | undefined) {
  const clientId = client?.clientId
  const detail = { endpoint: ctx.path }
  const type = 'client.authentication_failed'
  await audit.count(tenant, { type, clientId, detail }, clientId ?? '')
}

function isFailure(body: unknown): boolean {
  return (
    typeof body === 'object' && body !== null && Reflect.get(body, 'error') === 'invalid_client'
  )
}

/** The client that was named; empty when it was not. */
function clientIdIn(ctx: Context): string {
  const { oidc } = ctx as KoaContextWithOIDC
  const named = oidc?.client?.clientId ?? oidc?.params?.['client_id']
  if (typeof named === 'string') return named
  const [, basic = ''] = /^Basic (.+)$/i.exec(ctx.get('authorization')) ?? []
  return Buffer.from(basic, 'base64').toString().split(':')[0] ?? ''
}
