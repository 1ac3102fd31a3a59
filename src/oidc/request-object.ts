import { type Client as EngineClient, errors, type KoaContextWithOIDC } from 'oidc-provider'
import { fapiAlgs } from '../clients/fapi.ts'
import type { Clock } from '../clock.ts'
import { isStorable, storableRule } from '../storable.ts'
import { longestLife, mostAhead } from './lifetimes.ts'

/** The `typ` of RFC 9101 §10.8, and those of clients that do not know it; never that of another kind of JWT. */
const types = new Set([undefined, 'JWT', 'oauth-authz-req+jwt'])

/**
 * The rules for request objects (RFC 9101) beyond what the engine checks: signature, algorithm, `iss` is the client,
 * `aud` this issuer, `nbf` and `exp`. One from a pushed request was checked when it was pushed.
 *
 * | claim | rule                                                                    |
 * |-------|-------------------------------------------------------------------------|
 * | `typ` | absent, `JWT` or `oauth-authz-req+jwt`                                  |
 * | `b64` | not false: the payload of a JWT is encoded (RFC 7797 §7)                |
 * | `exp` | required, at most an hour ahead                                         |
 * | `iat` | at most a minute ahead                                                  |
 * | `sub` | absent: it could be presented as a client assertion (RFC 9101 §10.8)    |
 *
 * No claim may hold what Postgres cannot store, and `resource` must hold strings (RFC 8707 §2).
 *
 * A signed authentication request (CIBA §7.1.1) must also have `iat`, `nbf` and `jti`, and an asymmetric signature.
 */
export function requestObjectRules(clock: Clock) {
  return async (
    ctx: KoaContextWithOIDC,
    claims: Record<string, unknown>,
    { alg, typ, b64 }: Record<string, unknown>,
    client: EngineClient,
  ): Promise<void> => {
    if (ctx.oidc.entities.PushedAuthorizationRequest) return
    const { exp, iat, nbf, sub, jti, resource } = claims
    const now = clock.seconds()
    const isFapi = client['fapi'] !== undefined
    const isBackchannel = ctx.oidc.route === 'backchannel_authentication'
    const faults = [
      !types.has(typ as string | undefined) && 'typ must be oauth-authz-req+jwt, JWT or absent',
      b64 === false && 'b64 must not be false',
      typeof exp !== 'number' && 'exp is required',
      (exp as number) > now + longestLife + mostAhead &&
        `exp must be at most ${longestLife} seconds ahead`,
      iat !== undefined && (iat as number) > now + mostAhead && 'iat must not be in the future',
      isFapi && typeof nbf !== 'number' && 'nbf is required',
      isFapi &&
        (exp as number) - (nbf as number) > longestLife &&
        `exp must be at most ${longestLife} seconds after nbf`,
      isFapi &&
        !fapiAlgs.includes(alg as string) &&
        `alg must be one of ${fapiAlgs.join(', ')} (FAPI 2.0)`,
      isBackchannel && typeof iat !== 'number' && 'iat is required',
      isBackchannel && typeof nbf !== 'number' && 'nbf is required',
      isBackchannel && typeof jti !== 'string' && 'jti is required',
      isBackchannel && String(alg).startsWith('HS') && 'alg must not be symmetric',
      sub === client.clientId && 'sub must not be the client_id',
      !isStorable(claims) && `a claim ${storableRule}`,
      Array.isArray(resource) &&
        resource.some((each) => typeof each !== 'string') &&
        'resource must be a string or an array of strings',
    ]
    const fault = faults.find((found) => found !== false)
    if (fault !== undefined) throw new errors.InvalidRequestObject(`Request Object: ${fault}`)
  }
}
