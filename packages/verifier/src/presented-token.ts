import { TokenRefused } from './faults.ts'

/** A request of any framework. */
export interface ApiRequest {
  method: string
  /** Path and query, as in the request line. */
  target: string
  /** Returns every value of a header. @param name in lower case */
  headers(name: string): string[]
  /** The caller's certificate, where mutual TLS is used: DER, PEM, or the header in which a proxy forwarded it. */
  certificate?: Uint8Array | string | undefined
}

export interface PresentedToken {
  scheme: 'Bearer' | 'DPoP'
  token: string
  proof: string | undefined
}

/**
 * The token of a request, from the `Authorization` header alone: tokens in URLs end up in logs (RFC 9700 §4.3.2), and a
 * token sent in two ways is an error (RFC 6750 §2).
 * @returns undefined when there is none
 * @throws TokenRefused
 */
export function presentedToken({ target, headers }: ApiRequest): PresentedToken | undefined {
  const refuse = (why: string) => new TokenRefused('invalid_request', 'request', why)
  const [, query = ''] = target.split('?', 2)
  if (new URLSearchParams(query).has('access_token')) {
    throw refuse('expected the token in the Authorization header, not in the URL')
  }
  const [value, ...others] = headers('authorization')
  if (value === undefined || value === '') return undefined
  if (others.length > 0) throw refuse('expected one Authorization header')
  const [, name = ''] = /^(Bearer|DPoP)(?: |$)/i.exec(value) ?? []
  if (name === '') {
    // An unsupported scheme counts as no token: the challenge names the supported ones.
    return undefined
  }
  const [, token] = /^\w+ +([A-Za-z0-9\-._~+/]+=*)$/.exec(value) ?? []
  if (token === undefined) throw refuse('expected one token after the scheme')
  const proofs = headers('dpop')
  if (proofs.length > 1) throw refuse('expected one DPoP header')
  const scheme = name.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer'
  return { scheme, token, proof: proofs[0] }
}
