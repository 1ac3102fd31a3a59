import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'

/** The engine makes absolute addresses with it. */
export function mountedAt(basePath: string): Middleware {
  return (ctx, next) => {
    Object.assign(ctx, { mountPath: basePath })
    return next()
  }
}

/** All other addresses are not there. @throws DomainError `not_found` */
export function thereIsOnly(paths: readonly string[]): Middleware {
  return (ctx, next) => {
    if (!paths.includes(ctx.path)) throw new DomainError('not_found')
    return next()
  }
}
