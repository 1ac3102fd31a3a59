import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'

/** Sets the engine's mount path, from which it builds absolute URLs. */
export function mountedAt(basePath: string): Middleware {
  return (ctx, next) => {
    Object.assign(ctx, { mountPath: basePath })
    return next()
  }
}

/** Answers only these paths. @throws DomainError `not_found` for all others */
export function thereIsOnly(paths: readonly string[]): Middleware {
  return (ctx, next) => {
    if (!paths.includes(ctx.path)) throw new DomainError('not_found')
    return next()
  }
}
