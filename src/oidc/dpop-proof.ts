import {
  calculateJwkThumbprint,
  decodeJwt,
  decodeProtectedHeader,
  EmbeddedJWK,
  type JWK,
  errors as joseErrors,
  jwtVerify,
} from 'jose'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { clientSigningAlgs } from '../clients/client-jose.ts'
import { derivedId, hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { proofOf } from './growth.ts'
import { mostAhead } from './lifetimes.ts'
import { routes } from './routes.ts'
import { currentTokenRequest } from './token-request.ts'

/** Seconds that a proof without a nonce of this server is valid. */
const mostBehind = 300

/** What a proof must be about. */
export interface ProvedRequest {
  method: string
  /** The address without query and fragment (RFC 9449 §4.3, 9). */
  url: string
  accessToken: string
  /** The thumbprint of the key that the token is bound to. */
  jkt: string
}

/**
 * Verifies the proof of possession that came with an access token (RFC 9449 §4.3, §7.1); the engine does so only at its
 * own endpoints. A proof counts once. A proof by another key is not charged to the limit of the token's holder.
 * @returns whether it proves the key of the token
 * @throws DomainError `too_many_requests`, as the `jti` of each proof is stored for as long as the proof is valid
 */
export async function verifyProof(
  {
    tenant,
    clock,
    limiter,
    singleUse,
  }: Pick<IssuerContext, 'tenant' | 'clock' | 'limiter' | 'singleUse'>,
  proof: string,
  { method, url, accessToken, jkt }: ProvedRequest,
): Promise<boolean> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...clientSigningAlgs],
      requiredClaims: ['jti', 'iat', 'htm', 'htu', 'ath'],
      currentDate: new Date(clock.now()),
    })
    const { jti, iat, htm, htu, ath } = payload as Record<string, unknown>
    const now = clock.seconds()
    const isGood =
      typeof jti === 'string' &&
      typeof iat === 'number' &&
      iat >= now - mostBehind &&
      iat <= now + mostAhead &&
      htm === method &&
      typeof htu === 'string' &&
      sameAddress(htu, url) &&
      ath === hashOf(accessToken)
    if (!isGood || (await thumbprintOf(protectedHeader.jwk)) !== jkt) return false
    await limiter.take(tenant, proofOf(accessToken))
    const key = { tenant, kind: 'jti', key: derivedId('proof', jkt, jti) }
    return await singleUse.spend(key, (iat + mostBehind + mostAhead) * 1000, true)
  } catch (error) {
    if (error instanceof joseErrors.JOSEError || error instanceof TypeError) return false
    throw error
  }
}

/**
 * Whether the proof that comes with a bound token is by another key. The engine spends the `jti` of a verified proof
 * before it compares keys. Checked here first, so that a caller who has a token without its key uses up nothing of its
 * holder's limit.
 */
export async function provesOtherKey(ctx: KoaContextWithOIDC | undefined): Promise<boolean> {
  const jkt =
    ctx?.path === routes.userinfo ? ctx.oidc.entities.AccessToken?.jkt : currentTokenRequest()?.jkt
  if (!ctx || jkt === undefined) return false
  return (await thumbprintOf(decodeProtectedHeader(ctx.get('dpop')).jwk)) !== jkt
}

/**
 * Answers a repeated DPoP proof as such. The engine would call it an invalid grant at the token endpoint, and a client
 * that repeats a whole request, as the answer was lost, would give up a valid grant.
 * @throws errors.InvalidDpopProof (RFC 9449 §5) if the spent `jti` is that of the proof
 */
export function assertNoProof(ctx: KoaContextWithOIDC | undefined, jti: string): void {
  const proof = currentTokenRequest() && ctx?.get('dpop')
  if (proof && jtiIn(proof) === jti) {
    throw new errors.InvalidDpopProof('DPoP proof JWT Replay detected')
  }
}

/** The unverified `jti`: the spent one may also be that of a client assertion. */
function jtiIn(proof: string): string | undefined {
  try {
    return decodeJwt(proof).jti
  } catch {
    return undefined
  }
}

const thumbprintOf = (jwk: unknown) => calculateJwkThumbprint(jwk as JWK, 'sha256')

/** Compares after normalization (RFC 9449 §4.3): query and fragment of the claim are not looked at. */
function sameAddress(claimed: string, address: string): boolean {
  const one = URL.parse(claimed)
  const other = new URL(address)
  return one !== null && one.origin === other.origin && one.pathname === other.pathname
}
