import type { AdapterPayload } from 'oidc-provider'
import type { Asked } from './left-out-scopes.ts'
import { scopeSet } from './scopes.ts'

/**
 * What the answer to a valid authorization request will lack although the request seems to count on it. Nothing reports
 * that later.
 * @param params of the address, as the engine drops parameters that it does not know
 * @param client its metadata, where the client is known
 * @returns sentences
 */
export function hintsOf(
  { scope }: Asked,
  params: URLSearchParams,
  client: AdapterPayload | undefined,
): string[] {
  const scopes = scopeSet(scope)
  const grants = (client?.['grant_types'] ?? []) as string[]
  const hints = []
  if (client && !grants.includes('refresh_token') && scopes.has('offline_access'))
    hints.push(
      'The scope offline_access is ignored and no refresh token is issued: add refresh_token to grant_types of the client.',
    )
  if (!scopes.has('openid') && (scopes.has('profile') || scopes.has('email')))
    hints.push('No ID token is issued, and userinfo refuses the access token: add openid to scope.')
  if (params.has('audience') && !params.has('resource'))
    hints.push('The parameter audience is not supported and has no effect: send resource.')
  return hints
}
