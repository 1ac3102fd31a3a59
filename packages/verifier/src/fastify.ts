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

/** The members of Fastify's request and reply that are used. */
interface Request {
  raw: NodeRequest
  originalUrl: string
}
interface Reply {
  code(status: number): unknown
  header(name: string, value: string | string[]): unknown
  send(body: unknown): unknown
}

/** An `onRequest` hook, which runs before the body is read, that passes on requests with a valid token. */
export function protectFastify(
  verifier: Verifier,
  policy: Policy = {},
  { certificate }: GuardOptions<NodeRequest> = {},
): (request: Request, reply: Reply) => Promise<unknown> {
  verifier.assertPolicy(policy)
  return async (request, reply) => {
    const seen = apiRequest(request.raw, request.originalUrl, certificate?.(request.raw))
    const decision = await verifier.protect(seen, policy)
    for (const [name, value] of grouped(decision.headers)) reply.header(name, value)
    if (decision.granted) {
      keepToken(request, decision.token)
      return undefined
    }
    reply.header('Cache-Control', 'no-store')
    reply.code(decision.status)
    return reply.send(decision.body)
  }
}

/** A handler for `verifier.metadata.path` that serves the protected resource metadata (RFC 9728). */
export function describeFastify({ metadata }: Verifier) {
  return async (_request: Request, reply: Reply): Promise<unknown> => {
    if (!metadata) throw new TypeError('metadata is not configured')
    for (const [name, value] of metadata.headers) reply.header(name, value)
    return reply.send(JSON.stringify(metadata.document))
  }
}
