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
 * Called before anything of a client is checked. Only failures count, so that a client whose requests are right is
 * never limited. A client is limited only where it has failed itself: neither a caller elsewhere nor a broken neighbour
 * behind the same address shuts it out.
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
 * Called for a name that no client has. Where its network has nothing left, a further invented name is refused without
 * being counted or written down. Clients that exist never come here, whatever their neighbours do.
 * @throws DomainError `too_many_requests`
 */
export function assertMayBeUnknown(
  { tenant, limiter }: IssuerContext,
  ctx: Context | undefined,
): void {
  if (!ctx || !guarded.has(ctx.path)) return
  limiter.assertLeft(tenant, sharesOf(ctx.ip, '').network)
}

/** Whether the limits may apply to a request: the client has failed from that network, as far as this process knows. */
export function hasFailedHere(
  { tenant, limiter }: IssuerContext,
  ip: string,
  clientId: string,
): boolean {
  return limiter.hasNoted(tenant, sharesOf(ip, clientId).pair)
}

/**
 * Counts failed authentications, for the limits and in the audit, however the client is registered to authenticate.
 *
 * | failing client                                               | counts for the limits | is audited              |
 * |--------------------------------------------------------------|-----------------------|-------------------------|
 * | an unknown client id                                         | yes                   | until a limit is spent  |
 * | a client with a secret that a person chose                   | yes                   | likewise                |
 * | a client with keys, a certificate, a generated secret, none  | no                    | until its own is spent  |
 *
 * Nobody can guess 256 random bits, a signature or a certificate: a limit would protect nothing, and any caller in its
 * network could shut the client out. The cost of a check is a part of the cost of the request, which is bounded as for
 * all requests (http/admission.ts).
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

/** Unknown names are counted together: anybody can invent them. */
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

/** The client id of a request; empty when it names none. */
function clientIdIn(ctx: Context): string {
  const { oidc } = ctx as KoaContextWithOIDC
  const named = oidc?.client?.clientId ?? oidc?.params?.['client_id']
  if (typeof named === 'string') return named
  const [, basic = ''] = /^Basic (.+)$/i.exec(ctx.get('authorization')) ?? []
  return Buffer.from(basic, 'base64').toString().split(':')[0] ?? ''
}
