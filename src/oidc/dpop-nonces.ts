import { decodeJwt, type JWTPayload } from 'jose'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { ClientMetadata } from '../clients/client.ts'
import type { Clock } from '../clock.ts'
import { mostAhead } from './lifetimes.ts'

/**
 * Whether a proof must have a nonce of ours (RFC 9449 §8), judged before the proof is verified: always for a client
 * with `require_dpop_nonce`, and for a proof dated more than a minute ahead, which could be kept and used again once
 * its `jti` is forgotten.
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
 * The same check at userinfo, after the proof was verified, when the answer can carry a nonce.
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

/** The unverified claims of the proof; none if it is no JWT. */
function proofOf(ctx: KoaContextWithOIDC): JWTPayload & { nonce?: unknown } {
  try {
    return decodeJwt(ctx.get('DPoP'))
  } catch {
    return {}
  }
}
