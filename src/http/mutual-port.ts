import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { cameToMutualPort } from './edge.ts'
import { addressPattern } from './spelling.ts'

/**
 * Where callers are asked for certificates only programs are served: a browser that came there would ask a person to
 * choose one.
 */
export function mutualPortServes(paths: readonly string[]): Middleware {
  const patterns = paths.map((path) => addressPattern(path))
  return (ctx, next) => {
    const isServed = !cameToMutualPort(ctx.req) || patterns.some((each) => each.test(ctx.path))
    if (!isServed) throw new DomainError('not_found')
    return next()
  }
}
