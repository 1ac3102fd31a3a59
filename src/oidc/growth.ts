import type { AdapterPayload, KoaContextWithOIDC } from 'oidc-provider'
import { networkOf } from '../attempts/network.ts'
import type { Share } from '../limits/limiter.ts'
import { hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { routes } from './routes.ts'

/** What one unit of the limits stands for, in bytes that are kept. */
const unit = 2048

/**
 * Bounds what strangers, and people with an account, can have stored here (security-bar M5, C25): a share is taken first.
 *
 * | what                    | whose share                                                         |
 * |-------------------------|---------------------------------------------------------------------|
 * | an interaction          | the network's, and the client's of a browser that is signed in      |
 * | one of a device's code  | the network's (`roomForInteraction`)                                |
 * | a code beyond one unit  | the client's of the browser, which is signed in                     |
 * | a pushed request        | the client's when it has authenticated, else the network's          |
 * | the proof beside one    | the network's, of a public client (`takeRoomForProof`)              |
 * | a device code           | the same as for a pushed request                                    |
 * | a backchannel request   | the client's, besides what is let in of one person                  |
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
 * Takes the share for the `jti` of a DPoP proof, which is stored before anything else of the request is looked at, even if
 * the request is then refused. For a pushed request it is the pusher's share, of which nothing is taken, but something has
 * to be left, when the client has authenticated; else it is the share of the token or code that the proof comes with.
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

/** Whose share a pushed request takes. */
function pusherOf({ ip, oidc: { client } }: KoaContextWithOIDC): {
  share: Share
  isPublic: boolean
} {
  return client === undefined || client.clientAuthMethod === 'none'
    ? { share: { limit: 'push_network', subject: networkOf(ip) }, isPublic: true }
    : { share: { limit: 'push_client', subject: client.clientId }, isPublic: false }
}

/** What an interaction takes that begins outside the engine, where it knows no request. */
export function roomForInteraction(ip: string, payload: object): Share {
  return { limit: 'authorize_network', subject: networkOf(ip), cost: costOf(payload) }
}

/** A page of one client may send a browser here as often and with as much as it likes: that keeps nobody from another. */
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
      // What follows on a step is bounded by the steps.
      if (ctx.path !== routes.authorization) return []
      return [
        { limit: 'authorize_network', subject: network, cost },
        ...(session?.accountId === undefined ? [] : [browserShareOf(session.uid, client, cost)]),
      ]
    case 'AuthorizationCode':
      // An ordinary one takes nothing: whoever is signed in goes from application to application.
      return session && cost > 1 ? [browserShareOf(session.uid, client, cost - 1)] : []
    case 'PushedAuthorizationRequest':
      if (ctx.path !== routes.pushed_authorization_request) return []
      return [{ ...pusherOf(ctx).share, cost }]
    case 'DeviceCode':
      // What its person decides is written over it.
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
