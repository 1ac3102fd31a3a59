import type { Policy } from './policy.ts'
import type { VerifiedToken, Verifier } from './verifier.ts'

/** A handler with the fetch API: Deno, Bun, Hono, edge runtimes. */
type Handler<Rest extends unknown[]> = (
  request: Request,
  token: VerifiedToken,
  ...rest: Rest
) => Response | Promise<Response>

/** Wraps a handler: it is called only for requests with a valid token, and gets the token. */
export function protectFetch<Rest extends unknown[]>(
  verifier: Verifier,
  policy: Policy,
  handler: Handler<Rest>,
  { certificate }: { certificate?: (request: Request) => Uint8Array | string | undefined } = {},
): (request: Request, ...rest: Rest) => Promise<Response> {
  verifier.assertPolicy(policy)
  return async (request, ...rest) => {
    const { pathname, search } = new URL(request.url)
    const decision = await verifier.protect(
      {
        method: request.method,
        target: pathname + search,
        certificate: certificate?.(request),
        // Repeated headers are joined by a comma, which no token and no proof contains.
        headers: (name) => {
          const value = request.headers.get(name)
          return value === null ? [] : value.split(/, */)
        },
      },
      policy,
    )
    if (!decision.granted) {
      const headers = new Headers([
        ...decision.headers,
        ['Content-Type', 'application/json'],
        ['Cache-Control', 'no-store'],
      ])
      return new Response(JSON.stringify(decision.body), { status: decision.status, headers })
    }
    const response = await handler(request, decision.token, ...rest)
    if (decision.headers.length === 0) return response
    const headers = new Headers(response.headers)
    for (const [name, value] of decision.headers) headers.append(name, value)
    const { status, statusText } = response
    return new Response(response.body, { status, statusText, headers })
  }
}

/** @returns the protected resource metadata (RFC 9728) if the request is for it, else undefined */
export function describeFetch({ metadata }: Verifier, request: Request): Response | undefined {
  if (!metadata || new URL(request.url).pathname !== metadata.path) return undefined
  if (!['GET', 'HEAD'].includes(request.method)) return undefined
  return new Response(JSON.stringify(metadata.document), { headers: metadata.headers })
}
