import type { AdapterPayload, KoaContextWithOIDC } from 'oidc-provider'
import { networkOf } from '../attempts/network.ts'
import type { Share } from '../limits/limiter.ts'
import { hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { routes } from './routes.ts'

/** Bytes stored that one unit of a limit stands for. */
const unit = 2048

/**
 * Bounds what callers and users can store here (security-bar M5, C25): before anything is stored, it is charged to a
 * limit.
 *
 * | object                  | charged limit                                                       |
 * |-------------------------|---------------------------------------------------------------------|
 * | an interaction          | the network's, and that of a signed-in browser at the client        |
 * | one of a device's code  | the network's (`roomForInteraction`)                                |
 * | a code beyond one unit  | that of the browser, which is signed in, at the client              |
 * | a pushed request        | the client's when it has authenticated, else the network's          |
 * | the proof beside one    | the network's, of a public client (`takeRoomForProof`)              |
 * | a device code           | as for a pushed request                                             |
 * | a backchannel request   | the client's, besides the limit of pending requests                 |
 *
 * @throws DomainError `too_many_requests`
 */
export async function takeRoom(
  { tenant, limiter }: IssuerContext,
  ctx: KoaContextWithOIDC | undefined,
  model: string,
  payload: AdapterPayload,
): Promise<void> {
  const shares = ctx ? sharesOf(ctx, model, payload) : []
  await limiter.take(tenant, ...shares)
}

/**
 * Charges the `jti` of a DPoP proof to a limit. The engine stores it before it looks at the rest of the request, even
 * if the request is then refused. At the pushed request endpoint the limit is the pusher's: a client that has
 * authenticated is not charged, but must have something left. Elsewhere it is that of the token or code that comes with
 * the proof.
 * @throws DomainError `too_many_requests`
 */
export async function takeRoomForProof(
  { tenant, limiter }: IssuerContext,
  ctx: KoaContextWithOIDC | undefined,
): Promise<void> {
  if (ctx === undefined) return
  if (ctx.path !== routes.pushed_authorization_request) {
    const holding = heldIn(ctx)
    if (holding !== undefined) await limiter.take(tenant, proofOf(holding))
    return
  }
  const { share, isPublic } = pusherOf(ctx)
  if (isPublic) await limiter.take(tenant, share)
  else limiter.assertLeft(tenant, share)
}

/** The share of what a proof comes with: an access token, or what a public client presents at the token endpoint. */
export function proofOf(holding: string): Share {
  return { limit: 'proof_holder', subject: hashOf(holding) }
}

function heldIn(ctx: KoaContextWithOIDC): string | undefined {
  const { client, params } = ctx.oidc
  if (ctx.path === routes.userinfo) return ctx.oidc.getAccessToken({ acceptDPoP: true })
  if (client?.clientAuthMethod !== 'none') return undefined
  const presented = ['refresh_token', 'code', 'device_code', 'auth_req_id'].map(
    (name) => params?.[name],
  )
  return presented.find((value) => typeof value === 'string')
}

/** Whose limit a pushed request is charged to. */
function pusherOf({ ip, oidc: { client } }: KoaContextWithOIDC): {
  share: Share
  isPublic: boolean
} {
  return client === undefined || client.clientAuthMethod === 'none'
    ? { share: { limit: 'push_network', subject: networkOf(ip) }, isPublic: true }
    : { share: { limit: 'push_client', subject: client.clientId }, isPublic: false }
}

/** The charge for an interaction that begins outside the engine. */
export function roomForInteraction(ip: string, payload: object): Share {
  return { limit: 'authorize_network', subject: networkOf(ip), cost: costOf(payload) }
}

/** Per client, as the page of one may send a browser here as often as it likes: that must not lock it out of others. */
function browserShareOf(
  uid: string,
  client: { clientId: string } | undefined,
  cost: number,
): Share {
  return { limit: 'authorize_browser', subject: `${uid} ${client?.clientId ?? ''}`, cost }
}

const costOf = (payload: object) => Math.ceil(JSON.stringify(payload).length / unit)

function sharesOf(ctx: KoaContextWithOIDC, model: string, payload: AdapterPayload): Share[] {
  const { client, session } = ctx.oidc
  const network = networkOf(ctx.ip)
  const cost = costOf(payload)
  const isPublic = client === undefined || client.clientAuthMethod === 'none'
  switch (model) {
    case 'Interaction':
      // Not charged: what follows a step is bounded by the steps.
      if (ctx.path !== routes.authorization) return []
      return [
        { limit: 'authorize_network', subject: network, cost },
        ...(session?.accountId === undefined ? [] : [browserShareOf(session.uid, client, cost)]),
      ]
    case 'AuthorizationCode':
      // An ordinary code is free: a signed-in user goes from application to application.
      return session && cost > 1 ? [browserShareOf(session.uid, client, cost - 1)] : []
    case 'PushedAuthorizationRequest':
      if (ctx.path !== routes.pushed_authorization_request) return []
      return [{ ...pusherOf(ctx).share, cost }]
    case 'DeviceCode':
      // Not charged: the decision overwrites the code.
      if (ctx.path !== routes.device_authorization) return []
      return isPublic
        ? [{ limit: 'device_network', subject: network, cost }]
        : [{ limit: 'device_client', subject: client.clientId, cost }]
    case 'BackchannelAuthenticationRequest':
      return client === undefined ? [] : [{ limit: 'backchannel_client', subject: client.clientId }]
    default:
      return []
  }
}
