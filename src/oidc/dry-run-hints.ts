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
      'The scope offline_access is left out, and there is no refresh token: add refresh_token to grant_types of the client.',
    )
  if (!scopes.has('openid') && (scopes.has('profile') || scopes.has('email')))
    hints.push('There is no ID token, and userinfo answers nothing: add openid to scope.')
  if (params.has('audience') && !params.has('resource'))
    hints.push('The parameter audience means nothing here: send resource.')
  return hints
}
