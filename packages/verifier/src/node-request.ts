import type { ApiRequest } from './presented-token.ts'
import type { VerifiedToken } from './verifier.ts'

/**
 * The members that requests of all Node frameworks share, as a structural type: no framework is needed to compile this.
 */
export interface NodeRequest {
  method?: string | undefined
  url?: string | undefined
  headers: Record<string, string | string[] | undefined>
  /** Every value separately; without it only the first `Authorization` header is visible. */
  headersDistinct?: Record<string, string[] | undefined>
}

/**
 * Returns a caller's certificate where mutual TLS is used: from the connection, or from a header of a trusted proxy.
 */
export type CertificateOf<Request> = (request: Request) => Uint8Array | string | undefined

export interface GuardOptions<Request> {
  certificate?: CertificateOf<Request>
}

/** @param target the original request target, before a router stripped a prefix */
export function apiRequest(
  request: NodeRequest,
  target: string,
  certificate: Uint8Array | string | undefined,
): ApiRequest {
  return {
    method: request.method ?? 'GET',
    target,
    certificate,
    headers(name) {
      const value = request.headersDistinct?.[name] ?? request.headers[name]
      return value === undefined ? [] : [value].flat()
    },
  }
}

const tokens = new WeakMap<object, VerifiedToken>()

export function keepToken(request: object, token: VerifiedToken): void {
  tokens.set(request, token)
}

/**
 * The verified token of a request: of Koa's `ctx`, or of Express's or Fastify's `request`.
 * @throws Error when the route is not protected
 */
export function tokenOf(request: object): VerifiedToken {
  const token = tokens.get(request)
  if (!token) throw new Error('no token: is the route protected?')
  return token
}

/** Groups headers by name, as frameworks expect them: repeated ones become a list. */
export function grouped(headers: [string, string][]): [string, string | string[]][] {
  const names = [...new Set(headers.map(([name]) => name))]
  return names.map((name) => {
    const values = headers.filter(([each]) => each === name).map(([, value]) => value)
    return [name, values.length === 1 ? (values[0] as string) : values]
  })
}
