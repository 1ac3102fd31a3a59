import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Log } from '../log.ts'
import { userAgentIn, withOrigin } from '../origin.ts'

const ids = new WeakMap<object, string>()

/** The id of a request: in its log lines and its answer; a person quotes it after an error. */
export function requestIdOf(ctx: object): string {
  return ids.get(ctx) ?? ''
}

/** Most characters of a path to log: a caller's may be as long as a header. */
const longestPath = 256

/** Masks handles, such as interaction ids: they are secrets. */
function withoutHandles(path: string): string {
  return path.replaceAll(/[\w-]{32,}/g, ':id').slice(0, longestPath)
}

/** Requests that say nothing about the use of the server. */
function isProbe(path: string): boolean {
  return path === '/healthz' || path === '/readyz' || path.startsWith('/assets/')
}

const arrivals = new WeakMap<IncomingMessage, number>()

/** Records when a request arrived, where that is before the middleware stack. @param at of `performance.now()` */
export function noteArrival(request: IncomingMessage, at: number): void {
  arrivals.set(request, at)
}

interface Done {
  id: string
  method: string
  path: string
  status: number
  ip: string
  /** Arrival, of `performance.now()`. */
  began: number
}

/** Logs a finished request. */
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

/** Gives each request an id and logs it when it is finished. */
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
