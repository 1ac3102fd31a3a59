import { TokenRefused } from './faults.ts'

/** A request, whatever the framework. */
export interface ApiRequest {
  method: string
  /** Path and query, as in the request line. */
  target: string
  /** Every value of a header; the name is in lower case. */
  headers(name: string): string[]
  /** The certificate of the caller, where mutual TLS is used: DER, PEM, or the header in which a proxy passed it on. */
  certificate?: Uint8Array | string | undefined
}

export interface PresentedToken {
  scheme: 'Bearer' | 'DPoP'
  token: string
  proof: string | undefined
}

/**
 * The token of a request. The `Authorization` header is the only way: a token in the address ends up in logs (RFC 9700
 * §4.3.2), and two ways at once are a fault (RFC 6750 §2).
 * @returns undefined when there is none
 * @throws TokenRefused
 */
export function presentedToken({ target, headers }: ApiRequest): PresentedToken | undefined {
  const refuse = (why: string) => new TokenRefused('invalid_request', 'request', why)
  const [, query = ''] = target.split('?', 2)
  if (new URLSearchParams(query).has('access_token')) {
    throw refuse('expected the token in the Authorization header, not in the address')
  }
  const [value, ...others] = headers('authorization')
  if (value === undefined || value === '') return undefined
  if (others.length > 0) throw refuse('expected one Authorization header')
  const [, name = ''] = /^(Bearer|DPoP)(?: |$)/i.exec(value) ?? []
  if (name === '') {
    // Another scheme is none that this API knows: it is told of those that it does.
    return undefined
  }
  const [, token] = /^\w+ +([A-Za-z0-9\-._~+/]+=*)$/.exec(value) ?? []
  if (token === undefined) throw refuse('expected one token after the scheme')
  const proofs = headers('dpop')
  if (proofs.length > 1) throw refuse('expected one DPoP header')
  const scheme = name.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer'
  return { scheme, token, proof: proofs[0] }
}
