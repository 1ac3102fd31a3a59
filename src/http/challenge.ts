import type { Context } from 'koa'
import { isDomainError } from '../errors.ts'

const proofs = 'ES256 PS256 RS256 EdDSA Ed25519'

/**
 * Says how to authenticate at a resource of ours, where a token was refused (RFC 6750 §3, RFC 9449 §7.1). Where there
 * was no token, no error code is given; a scope that is missing is named.
 * @param resource `scope`: what it takes, as far as one is always enough
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
