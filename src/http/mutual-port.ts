import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { cameToMutualPort } from './edge.ts'

/**
 * Where callers are asked for certificates only programs are served: a browser that came there would ask a person to
 * choose one.
 */
export function mutualPortServes(paths: readonly string[]): Middleware {
  return (ctx, next) => {
    if (cameToMutualPort(ctx.req) && !paths.includes(ctx.path)) throw new DomainError('not_found')
    return next()
  }
}
