import { decodeJwt, type JWTPayload } from 'jose'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { ClientMetadata } from '../clients/client.ts'
import type { Clock } from '../clock.ts'
import { mostAhead } from './lifetimes.ts'

/**
 * Whether a proof must have a nonce of ours (RFC 9449 §8), by what is known before it is verified:
 *
 * | client with `require_dpop_nonce`              | always                                                     |
 * | a proof dated more than a minute ahead        | always: it could be kept, and used when its `jti` is gone  |
 *
 * At userinfo the client is not known yet; see `assertNonce`.
 */
export function needsNonce(clock: Clock) {
  return (ctx: KoaContextWithOIDC): boolean => {
    if (ctx.oidc.client?.['require_dpop_nonce'] === true) return true
    const { iat } = proofOf(ctx)
    return typeof iat === 'number' && iat > clock.seconds() + mostAhead
  }
}

/**
 * The same for a token of a client at userinfo, when its proof has been verified and the answer has a nonce to take.
 * @throws errors.UseDpopNonce
 */
export function assertNonce(
  ctx: KoaContextWithOIDC,
  { require_dpop_nonce: required }: Pick<ClientMetadata, 'require_dpop_nonce'>,
): void {
  if (required && ctx.get('DPoP') && !proofOf(ctx).nonce) {
    throw new errors.UseDpopNonce('nonce is required in the DPoP proof')
  }
}

/** What the proof of a request says; nothing for what is no JWT. */
function proofOf(ctx: KoaContextWithOIDC): JWTPayload & { nonce?: unknown } {
  try {
    return decodeJwt(ctx.get('DPoP'))
  } catch {
    return {}
  }
}
