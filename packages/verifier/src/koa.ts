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

/** The members of Koa's context that are used. */
interface Context {
  req: NodeRequest
  originalUrl: string
  path: string
  method: string
  status: number
  body: unknown
  set(field: string, value: string | string[]): void
}

type Middleware = (ctx: Context, next: () => Promise<unknown>) => Promise<unknown>

/** Middleware that passes on requests with a valid token; `tokenOf(ctx)` returns it. */
export function protectKoa(
  verifier: Verifier,
  policy: Policy = {},
  { certificate }: GuardOptions<NodeRequest> = {},
): Middleware {
  verifier.assertPolicy(policy)
  return async (ctx, next) => {
    const request = apiRequest(ctx.req, ctx.originalUrl, certificate?.(ctx.req))
    const decision = await verifier.protect(request, policy)
    for (const [name, value] of grouped(decision.headers)) ctx.set(name, value)
    if (decision.granted) {
      keepToken(ctx, decision.token)
      return next()
    }
    ctx.set('Cache-Control', 'no-store')
    ctx.status = decision.status
    ctx.body = decision.body
    return undefined
  }
}

/** Middleware that serves the protected resource metadata (RFC 9728). */
export function describeKoa({ metadata }: Verifier): Middleware {
  return async (ctx, next) => {
    if (metadata?.path !== ctx.path || !['GET', 'HEAD'].includes(ctx.method)) return next()
    for (const [name, value] of metadata.headers) ctx.set(name, value)
    ctx.body = JSON.stringify(metadata.document)
    return undefined
  }
}
