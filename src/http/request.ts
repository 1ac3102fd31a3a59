import { randomUUID } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import type { Log } from '../log.ts'
import { withOrigin } from '../origin.ts'

const ids = new WeakMap<object, string>()

/** The id of a request: in its log lines, in its answer, and what a person quotes when it was refused. */
export function requestIdOf(ctx: object): string {
  return ids.get(ctx) ?? ''
}

/** Characters of a path that are logged: a stranger's may be as long as a header. */
const longestPath = 256

/** Handles in addresses are secrets: interactions and their resumption carry one. */
function withoutHandles(path: string): string {
  return path.replaceAll(/[\w-]{32,}/g, ':id').slice(0, longestPath)
}

/** Requests that say nothing about anybody's use of the server. */
function isProbe(path: string): boolean {
  return path === '/healthz' || path === '/readyz' || path.startsWith('/assets/')
}

/** Gives the request its id and writes one line when it is done. */
export function requestLog(log: Log): Middleware {
  return async (ctx: Context, next) => {
    const started = performance.now()
    const id = randomUUID()
    ids.set(ctx, id)
    ctx.set('Request-Id', id)
    try {
      const userAgent = ctx.get('user-agent').slice(0, 256) || undefined
      await withOrigin({ requestId: id, ip: ctx.ip, userAgent }, next)
    } finally {
      log[isProbe(ctx.path) ? 'debug' : 'info'](
        {
          request_id: id,
          method: ctx.method,
          path: withoutHandles(ctx.path),
          status: ctx.status,
          ip: ctx.ip,
          milliseconds: Math.round(performance.now() - started),
        },
        'request',
      )
    }
  }
}
