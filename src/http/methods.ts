import type { Context, Middleware } from 'koa'
import { DomainError } from '../errors.ts'
import { addressPattern } from './spelling.ts'

/**
 * Refuses methods that a path does not support, before anything else looks at the request (ASVS 4.1.4, P-040). An
 * OPTIONS request other than a CORS preflight is answered with the methods (RFC 9110 §9.3.7).
 * @param methods allowed methods by path, in which `:name` stands for one segment; other paths are passed on
 */
export function allowedMethods(methods: Record<string, string[]>): Middleware {
  const rules = Object.entries(methods).map(
    ([path, allowed]) => [addressPattern(path), allowed] as const,
  )
  return (ctx, next) => {
    const [, allowed] = rules.find(([pattern]) => pattern.test(ctx.path)) ?? []
    if (allowed && !allowed.includes(ctx.method)) {
      ctx.set('Allow', allowed.join(', '))
      throw new DomainError('method_not_allowed', {
        detail: { expected: allowed.join(', '), came: ctx.method },
      })
    }
    if (allowed && ctx.method === 'OPTIONS' && !isPreflight(ctx)) {
      ctx.set('Allow', allowed.join(', '))
      ctx.status = 204
      return undefined
    }
    return next()
  }
}

/** Whether it is a CORS preflight (Fetch §3.3.2). */
const isPreflight = (ctx: Context): boolean =>
  ctx.get('Origin') !== '' && ctx.get('Access-Control-Request-Method') !== ''
