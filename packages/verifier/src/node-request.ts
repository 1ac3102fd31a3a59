import type { ApiRequest } from './presented-token.ts'
import type { VerifiedToken } from './verifier.ts'

/** What Node's requests have in common, by shape: no framework is needed to compile this. */
export interface NodeRequest {
  method?: string | undefined
  url?: string | undefined
  headers: Record<string, string | string[] | undefined>
  /** Every value on its own; without it Node shows the first `Authorization` alone. */
  headersDistinct?: Record<string, string[] | undefined>
}

/** The certificate of a caller, where mutual TLS is used: from the connection, or from a header of a trusted proxy. */
export type CertificateOf<Request> = (request: Request) => Uint8Array | string | undefined

export interface GuardOptions<Request> {
  certificate?: CertificateOf<Request>
}

/** @param target as it was asked for, before a router cut something off */
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
 * The token of a request that was let through: of Koa's `ctx`, Express's or Fastify's `request`.
 * @throws Error when nothing protects the route
 */
export function tokenOf(request: object): VerifiedToken {
  const token = tokens.get(request)
  if (!token) throw new Error('no token: is the route protected?')
  return token
}

/** Headers by name, as frameworks set them: what is there more than once is a list. */
export function grouped(headers: [string, string][]): [string, string | string[]][] {
  const names = [...new Set(headers.map(([name]) => name))]
  return names.map((name) => {
    const values = headers.filter(([each]) => each === name).map(([, value]) => value)
    return [name, values.length === 1 ? (values[0] as string) : values]
  })
}
