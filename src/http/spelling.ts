import type { Middleware } from 'koa'
import { DomainError } from '../errors.ts'

/** The path of an address, without its query. */
export function withoutQuery(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** The pattern of an address in which `:name` stands for one segment. */
export function addressPattern(address: string, flags = ''): RegExp {
  const pattern = address.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')
  return new RegExp(`^${pattern}$`, flags)
}

/**
 * Refuses other spellings of an address. The engine's router takes upper case and a trailing slash for the same;
 * whatever guards an address compares exactly (security class C29). So is one with U+0000: no address has it, and
 * Postgres cannot look for it.
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
