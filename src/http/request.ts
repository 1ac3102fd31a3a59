import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Log } from '../log.ts'
import { userAgentIn, withOrigin } from '../origin.ts'

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

const arrivals = new WeakMap<IncomingMessage, number>()

/** Says when a request came in, where that is before it comes to the stack. @param at of `performance.now()` */
export function noteArrival(request: IncomingMessage, at: number): void {
  arrivals.set(request, at)
}

interface Done {
  id: string
  method: string
  path: string
  status: number
  ip: string
  /** When it came in, of `performance.now()`. */
  began: number
}

/** Writes the line of a request that is done. */
export function logRequest(log: Log, { id, method, path, status, ip, began }: Done): void {
  log[isProbe(path) ? 'debug' : 'info'](
    {
      request_id: id,
      method,
      path: withoutHandles(path),
      status,
      ip,
      milliseconds: Math.round(performance.now() - began),
    },
    'request',
  )
}

/** Gives the request its id and writes one line when it is done. */
export function requestLog(log: Log): Middleware {
  return async (ctx: Context, next) => {
    const began = arrivals.get(ctx.req) ?? performance.now()
    const id = randomUUID()
    ids.set(ctx, id)
    ctx.set('Request-Id', id)
    try {
      const userAgent = userAgentIn(ctx.get('user-agent'))
      await withOrigin({ requestId: id, ip: ctx.ip, userAgent }, next)
    } finally {
      const { method, path, status, ip } = ctx
      logRequest(log, { id, method, path, status, ip, began })
    }
  }
}
