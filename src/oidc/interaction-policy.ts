import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import { isLoopbackHost } from '../clients/redirect-uri.ts'

const { Check, Prompt, base } = interactionPolicy

/**
 * When a person is asked something on the way to a code; the first row that applies decides.
 *
 * | step           | when                                                                         |
 * |----------------|------------------------------------------------------------------------------|
 * | login          | `prompt=login`; nobody signed in, too long ago, or not the one who is meant  |
 * | select_account | `prompt=select_account`: signing in again is how one chooses                 |
 * | consent        | `prompt=consent`; something was not allowed yet; anybody could be the client |
 */
export function askingPolicy() {
  const policy = base()
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 1)
  const consent = policy.get('consent')
  consent?.checks.remove('native_client_prompt')
  consent?.checks.add(
    new Check(
      'native_client_prompt',
      'native clients require End-User interaction',
      'interaction_required',
      ({ oidc }) => oidc.result?.consent === undefined && mayBeAnotherApp(oidc),
    ),
  )
  return policy
}

/**
 * Whether an answer could reach another app than the one that was allowed: of a native client, only an https address
 * that it has claimed says who receives it (RFC 8252 §8.6; P-029, K-07).
 */
function mayBeAnotherApp({ client, params }: KoaContextWithOIDC['oidc']): boolean {
  if (client?.applicationType !== 'native') return false
  const { protocol, hostname } = URL.parse(String(params?.['redirect_uri'])) ?? {}
  return protocol !== 'https:' || isLoopbackHost(hostname ?? '')
}

interface AcrRequest {
  essential?: boolean | undefined
  value?: unknown
  values?: unknown
}

/**
 * An authentication context that a request insists on and that this server does not have is an error, never a lesser
 * one in silence (OpenID Connect Core §5.5.1.1, P-021). There is none that it names, so that none can be insisted on.
 */
export async function noEssentialAcr(
  _ctx: KoaContextWithOIDC,
  claims: { id_token?: Record<string, AcrRequest | null> | undefined },
): Promise<void> {
  for (const [name, wanted] of Object.entries(claims.id_token ?? {})) {
    if (wanted !== null && (typeof wanted !== 'object' || Array.isArray(wanted))) {
      throw new errors.InvalidRequest(`claims.id_token.${name} must be null or an object`)
    }
  }
  const acr = claims.id_token?.['acr']
  if (acr?.essential && (acr.value !== undefined || acr.values !== undefined)) {
    throw new errors.CustomOIDCProviderError(
      'unmet_authentication_requirements',
      'none of the requested authentication contexts can be reached',
    )
  }
}
