import type { Context } from 'koa'
import { isDomainError } from '../errors.ts'

const proofs = 'ES256 PS256 RS256 EdDSA Ed25519'

/**
 * Adds the `WWW-Authenticate` challenges of our own resources after a refused token (RFC 6750 §3, RFC 9449 §7.1).
 * Without a token there is no error code. A missing scope is named.
 * @param resource `scope`: the required scope, where one is always enough
 */
export function challenge(
  ctx: Context,
  error: unknown,
  { realm, scope }: { realm: string; scope?: string },
): void {
  const isScope = isDomainError(error, 'scope_insufficient')
  if (!isDomainError(error) || (error.status !== 401 && !isScope)) return
  const code = error.code === 'token_missing' ? '' : `, error="${error.oauth}"`
  const wanted = isScope && scope !== undefined ? `, scope="${scope}"` : ''
  ctx.append('WWW-Authenticate', `Bearer realm="${realm}"${code}${wanted}`)
  ctx.append('WWW-Authenticate', `DPoP realm="${realm}"${code}${wanted}, algs="${proofs}"`)
}
