import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { cameToMutualPort } from './edge.ts'
import { addressPattern } from './spelling.ts'

/** `MTLS_PORT` serves only paths that programs use: a browser would ask a person to choose a certificate. */
export function mutualPortServes(paths: readonly string[]): Middleware {
  const patterns = paths.map((path) => addressPattern(path))
  return (ctx, next) => {
    const isServed = !cameToMutualPort(ctx.req) || patterns.some((each) => each.test(ctx.path))
    if (!isServed) throw new DomainError('not_found')
    return next()
  }
}
