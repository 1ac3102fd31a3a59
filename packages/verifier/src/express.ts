import {
  apiRequest,
  type GuardOptions,
  grouped,
  keepToken,
  type NodeRequest,
} from './node-request.ts'
import type { Policy } from './policy.ts'
import type { Verifier } from './verifier.ts'

export { tokenOf } from './node-request.ts'

/** A request of Express or of Node's own server. */
type Request = NodeRequest & { originalUrl?: string | undefined }

/** The members of the response that are used; Node's own server has them, too. */
interface Response {
  statusCode: number
  setHeader(name: string, value: string | string[]): unknown
  end(body: string): unknown
}

type Next = (error?: unknown) => void

/** Middleware that passes on requests with a valid token; `tokenOf(request)` returns it. */
export function protectExpress(
  verifier: Verifier,
  policy: Policy = {},
  { certificate }: GuardOptions<Request> = {},
): (request: Request, response: Response, next: Next) => Promise<void> {
  verifier.assertPolicy(policy)
  async function decide(request: Request, response: Response): Promise<boolean> {
    const target = request.originalUrl ?? request.url ?? ''
    const decision = await verifier.protect(
      apiRequest(request, target, certificate?.(request)),
      policy,
    )
    for (const [name, value] of grouped(decision.headers)) response.setHeader(name, value)
    if (decision.granted) keepToken(request, decision.token)
    else answer(response, decision.status, decision.body)
    return decision.granted
  }
  return async (request, response, next) => {
    let isGranted = false
    try {
      isGranted = await decide(request, response)
    } catch (error) {
      next(error)
    }
    if (isGranted) next()
  }
}

/** Middleware that serves the protected resource metadata (RFC 9728). */
export function describeExpress({ metadata }: Verifier) {
  return (request: Request, response: Response, next: Next): void => {
    const [path] = (request.originalUrl ?? request.url ?? '').split('?')
    if (!metadata || metadata.path !== path || !['GET', 'HEAD'].includes(request.method ?? ''))
      return next()
    for (const [name, value] of metadata.headers) response.setHeader(name, value)
    response.end(JSON.stringify(metadata.document))
  }
}

function answer(response: Response, status: number, body: object): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'application/json')
  response.setHeader('Cache-Control', 'no-store')
  response.end(JSON.stringify(body))
}
