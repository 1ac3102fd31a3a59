import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'

/** The path of a URL, without its query. */
export function withoutQuery(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** A pattern for a path in which `:name` stands for one segment. */
export function addressPattern(address: string, flags = ''): RegExp {
  const pattern = address.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')
  return new RegExp(`^${pattern}$`, flags)
}

/**
 * Refuses other spellings of our paths. The engine's router ignores case and a trailing slash, while our checks compare
 * paths exactly (security class C29). Refuses U+0000, too: no path contains it, and Postgres cannot look it up.
 */
export function exactSpelling(addresses: string[]): Middleware {
  const exact = addresses.map((address) => addressPattern(address))
  const loose = addresses.map((address) => addressPattern(address, 'i'))
  return (ctx, next) => {
    const { path } = ctx
    const matches = (patterns: RegExp[], text: string) =>
      patterns.some((pattern) => pattern.test(text))
    const hasZero = path.includes('%00')
    const bare = path.replace(/\/+$/, '') || '/'
    if (hasZero || (!matches(exact, path) && matches(loose, bare))) {
      throw new DomainError('not_found', { detail: { came: path.slice(0, 100) } })
    }
    return next()
  }
}
