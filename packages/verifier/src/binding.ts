import { base64url } from 'jose'
import type { AccessTokenClaims } from './access-token.ts'
import { certificateIn } from './certificate.ts'
import { checkProof, type DpopOptions } from './dpop.ts'
import type { DpopNonces } from './dpop-nonces.ts'
import { TokenRefused } from './faults.ts'
import type { ReplayMemory } from './replay-memory.ts'

export interface MtlsOptions {
  /** Whether tokens without a certificate are refused. */
  required?: boolean
}

/** How a token was presented, and the proof or certificate with it. */
export interface Presented {
  /** The authentication scheme (RFC 6750, RFC 9449 §7.1). */
  scheme: 'Bearer' | 'DPoP'
  /** The `DPoP` header. */
  proof?: string | undefined
  method?: string | undefined
  /** Path and query of the request. */
  target?: string | undefined
  /** The client certificate of the TLS connection: DER, or text as `certificateIn` accepts it. */
  certificate?: Uint8Array | string | undefined
}

export interface Bindings {
  dpop?: (DpopOptions & { memory: ReplayMemory; nonces?: DpopNonces | undefined }) | undefined
  mtls?: MtlsOptions | undefined
}

/**
 * Checks that the sender of a token holds the key or certificate that it is bound to.
 *
 * | the token is bound to | scheme | result                                                            |
 * |-----------------------|--------|-------------------------------------------------------------------|
 * | nothing               | Bearer | accepted, unless a binding is required                            |
 * | nothing               | DPoP   | refused: it is no DPoP token (RFC 9449 §7.1)                      |
 * | `jkt`                 | Bearer | refused: a stolen DPoP token would come like this (RFC 9449 §7.2) |
 * | `jkt`                 | DPoP   | its proof is checked                                              |
 * | `x5t#S256`            | either | the certificate is compared (RFC 8705 §3)                         |
 * | anything else         | either | refused: an unknown confirmation method                           |
 * @returns consumes the DPoP proof, if there is one; throws TokenRefused when it was used before
 * @throws TokenRefused
 */
export async function checkBinding(
  token: string,
  claims: AccessTokenClaims,
  presented: Presented,
  { dpop, mtls }: Bindings,
): Promise<() => void> {
  const refuse = (why: string) => new TokenRefused('invalid_token', 'binding', why)
  const { jkt, 'x5t#S256': thumbprint, ...others } = claims.cnf ?? {}
  if (Object.keys(others).length > 0)
    throw refuse('it is bound by a method that is not supported here')
  if (claims.cnf && jkt === undefined && thumbprint === undefined) {
    throw refuse('its cnf claim is empty')
  }

  let useUp = () => {}
  if (jkt === undefined) {
    if (presented.scheme === 'DPoP') throw refuse('it is not bound to a key: send it as Bearer')
    if (dpop?.required) throw refuse('expected a token that is bound to a key (DPoP)')
  } else {
    if (!dpop) throw refuse('it is bound to a key, but DPoP is off here')
    if (presented.scheme !== 'DPoP') throw refuse('it is bound to a key: send it as DPoP')
    useUp = await checkProof(token, jkt, presented, dpop)
  }

  if (thumbprint === undefined) {
    if (mtls?.required) throw refuse('expected a token that is bound to a certificate')
    return useUp
  }
  if (!mtls) throw refuse('it is bound to a certificate, but mutual TLS is off here')
  const { certificate: shown } = presented
  if (!shown) throw refuse('it was sent without its certificate')
  const certificate = typeof shown === 'string' ? certificateIn(shown) : shown
  if (!certificate) {
    throw refuse('the certificate cannot be read: expected DER, PEM, or the header of a proxy')
  }
  if ((await thumbprintOf(certificate)) !== thumbprint) {
    throw refuse('it is bound to another certificate')
  }
  return useUp
}

/** @returns the SHA-256 of a certificate in DER, in base64url */
async function thumbprintOf(certificate: Uint8Array): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new Uint8Array(certificate))
  return base64url.encode(new Uint8Array(hash))
}
