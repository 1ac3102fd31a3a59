import {
  calculateJwkThumbprint,
  EmbeddedJWK,
  type JWK,
  errors as joseErrors,
  jwtVerify,
} from 'jose'
import { clientSigningAlgs } from '../clients/client-jose.ts'
import { derivedId, hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { mostAhead } from './dpop-nonces.ts'
import { proofOf } from './growth.ts'

/** Seconds that a proof is good for, without a nonce of ours. */
const mostBehind = 300

/** What a proof must be about. */
export interface ProvedRequest {
  method: string
  /** The address without query and fragment (RFC 9449 §4.3, 9). */
  url: string
  accessToken: string
}

/**
 * Verifies the proof of possession that came with an access token (RFC 9449 §4.3, §7.1); the engine does so at its own
 * endpoints alone. A proof counts once.
 * @returns the thumbprint of its key; undefined when it proves nothing
 * @throws DomainError `too_many_requests`: each is kept for as long as it is good
 */
export async function verifyProof(
  {
    tenant,
    clock,
    limiter,
    singleUse,
  }: Pick<IssuerContext, 'tenant' | 'clock' | 'limiter' | 'singleUse'>,
  proof: string,
  { method, url, accessToken }: ProvedRequest,
): Promise<string | undefined> {
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
    if (!isGood) return undefined
    const thumbprint = await calculateJwkThumbprint(protectedHeader.jwk as JWK, 'sha256')
    await limiter.take(tenant, proofOf(accessToken))
    const key = { tenant, kind: 'jti', key: derivedId('proof', thumbprint, jti) }
    const isFirst = await singleUse.spend(key, (iat + mostBehind + mostAhead) * 1000, true)
    return isFirst ? thumbprint : undefined
  } catch (error) {
    if (error instanceof joseErrors.JOSEError || error instanceof TypeError) return undefined
    throw error
  }
}

/** Compares after normalization (RFC 9449 §4.3): query and fragment of the claim are not looked at. */
function sameAddress(claimed: string, address: string): boolean {
  const one = URL.parse(claimed)
  const other = new URL(address)
  return one !== null && one.origin === other.origin && one.pathname === other.pathname
}
