import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { familyStartedBy } from '../../families/family.ts'
import { hashOf } from '../../secrets/handle.ts'
import { type AskedPayload, createStoredRequests } from '../backchannel-requests.ts'
import type { IssuerContext } from '../capabilities.ts'
import { isPolledHandle } from '../polling.ts'
import { createRedemption } from '../redemption.ts'
import { invalidGrant, presenterOf, requiredTokenRequest } from '../token-request.ts'
import { inert } from './inert.ts'

/** Claims about the ID token itself, which need no consent. */
const unasked = ['sub', 'sid', 'auth_time', 'acr', 'amr', 'iss']

/**
 * Backchannel authentication requests (OpenID CIBA Core §11). At the token endpoint, in this order:
 *
 * | the `auth_req_id`                                   | answer                  | side effect                  |
 * |-----------------------------------------------------|-------------------------|------------------------------|
 * | is unknown, or another client's                     | `invalid_grant`         |                              |
 * | has expired, or vanished                            | `expired_token`         |                              |
 * | is not decided yet                                  | `authorization_pending` | or `slow_down`               |
 * | was denied                                          | `access_denied`         |                              |
 * | was used                                            | `invalid_grant`         | what it issued ends          |
 * | depends on something that has ended                 | `expired_token`         |                              |
 * | was allowed                                         | tokens                  | its claim is committed with them |
 */
export function backchannelRequestAdapter(context: IssuerContext): Adapter {
  const { sealer } = context
  const requests = createStoredRequests(context)
  const model = 'BackchannelAuthenticationRequest'
  const redemption = createRedemption(model, context, context.config.backchannelRequestTtl)

  async function present(id: string): Promise<AdapterPayload | undefined> {
    const request = requiredTokenRequest()
    const hash = hashOf(id)
    request.familyId = familyStartedBy(hash)
    if (!isPolledHandle(model, sealer, id)) return undefined
    const found = await requests.find(hash)
    if (found.state === 'over')
      throw new errors.ExpiredToken('the backchannel request has expired or is unknown')
    const { clientId } = found.state === 'waiting' ? found.asked : found.decided
    if (clientId !== Provider.ctx?.oidc.client?.clientId) {
      throw invalidGrant('the backchannel request belongs to another client')
    }
    if (found.state === 'waiting') {
      if (await requests.poll(hash, found.asked)) throw new errors.SlowDown()
      throw new errors.AuthorizationPending()
    }
    const { decided, decidedAt, createdAt } = found
    if (decided.error) throw new errors.AccessDenied('the user denied the request')
    request.allowedAt = Math.floor(decidedAt / 1000)
    if (decided.allowedFrom) request.allowedFrom = decided.allowedFrom
    const held = await redemption.hold(id, decided, createdAt)
    if (held.spentAt !== undefined) {
      redemption.endWhatItIssued(id)
      return { ...decided, jti: id, consumed: Math.floor(held.spentAt / 1000) }
    }
    const isDenied = redemption.isDenied(decided, request.allowedAt)
    if (held.stands && held.grant && !isDenied) return { ...decided, jti: id }
    throw new errors.ExpiredToken(
      'the sign-in or consent behind the request has ended; start again',
    )
  }

  return {
    // No `findByUserCode`: our own pages look requests up (backchannel-decision.ts).
    ...inert,
    async find(id) {
      return Provider.ctx?.oidc.route === 'token' ? present(id) : undefined
    },
    async upsert(id, payload) {
      await requests.create(id, askedPayload(id, payload))
    },
    consume: async () => redemption.consume(),
  }
}

/**
 * What is stored of a request: what the user has to see, and what the engine needs to issue tokens. No hint, no code.
 */
function askedPayload(
  id: string,
  { jti: _jti, params = {}, ...payload }: AdapterPayload,
): AskedPayload {
  const { ctx } = Provider
  if (!ctx) throw new Error('a backchannel request was stored outside of a request context')
  const { oidc } = ctx
  const { client_notification_token: token, binding_message, max_age } = params
  const resources = Object.entries(oidc.resourceServers ?? {}).map(
    ([identifier, server]): [string, string[]] => [
      identifier,
      [...oidc.requestParamScopes].filter((scope) => server.scopes.has(scope)),
    ],
  )
  return {
    ...(payload as AskedPayload),
    // The engine turns `max_age=0` into `prompt=login`.
    params: { binding_message, max_age: oidc.prompts.has('login') ? '0' : max_age },
    wanted: {
      openidScopes: [...oidc.requestParamOIDCScopes],
      openidClaims: [...oidc.requestParamClaims].filter((claim) => !unasked.includes(claim)),
      resources: Object.fromEntries(resources),
    },
    askedFrom: presenterOf(ctx),
    ...(typeof token === 'string' ? { notify: { token, authReqId: id } } : {}),
  }
}
