import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider'
import { isLoopbackHost } from '../clients/redirect-uri.ts'
import { isStorable, storableRule } from '../storable.ts'
import { type AcrRequest, multiFactor, needsFactor, wishesOf } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'
import { isShownOtherwise } from './consent.ts'

const { Check, Prompt, base } = interactionPolicy

/**
 * When a user is asked for something on the way to a code; the first row that applies decides.
 *
 * | step           | when                                                                         |
 * |----------------|------------------------------------------------------------------------------|
 * | create         | `prompt=create`, where people may sign up                                    |
 * | login          | `prompt=login`; not signed in, too long ago, or as another than requested;   |
 * |                | without the requested second factor                                          |
 * | select_account | `prompt=select_account`: signing in again is how one chooses                 |
 * | consent        | `prompt=consent`; something was not allowed yet; any app could be the client;|
 * |                | no operator vouches for it, and its name or address differs from before      |
 */
export function askingPolicy(context: IssuerContext) {
  const policy = base()
  const login = policy.get('login')
  login?.checks.add(
    new Check('acr_values', 'the user has not used a second factor yet', 'login_required', (ctx) =>
      couldBeStronger(context, ctx.oidc),
    ),
  )
  login?.checks.add(
    new Check(
      'require_mfa',
      'this client or its tenant requires a second factor',
      'login_required',
      async ({ oidc }) =>
        oidc.session?.acr !== multiFactor && (await needsFactor(context, oidc.client)),
    ),
  )
  policy.add(new Prompt({ name: 'select_account', requestable: true }), 1)
  // Elsewhere it is a value that the engine does not know: `invalid_request`.
  if (context.canSignUp) policy.add(new Prompt({ name: 'create', requestable: true }), 0)
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
  consent?.checks.add(
    new Check(
      'client_changed',
      'the name or redirect URI of the client is not the one that the user consented to',
      'consent_required',
      (ctx) => ctx.oidc.result?.consent === undefined && isShownOtherwise(ctx),
    ),
  )
  return policy
}

/**
 * Whether an answer could reach another app than the one that was allowed. The receiver is certain only at a claimed
 * https address of a native client (RFC 8252 §8.6; P-029, K-07). The same goes for a public client that nobody vouches
 * for, whatever it calls itself.
 */
function mayBeAnotherApp({ client, params }: KoaContextWithOIDC['oidc']): boolean {
  const couldBe = client?.['registered_by'] === 'self' && client.clientAuthMethod === 'none'
  if (client?.applicationType !== 'native' && !couldBe) return false
  const { protocol, hostname } = URL.parse(String(params?.['redirect_uri'])) ?? {}
  return protocol !== 'https:' || isLoopbackHost(hostname ?? '')
}

/**
 * What happens to a sign-in without a second factor: the person must set one up where the client or the tenant always
 * requires it; a request that insists on it ends with an error.
 * @param reasons why the person has to sign in
 */
export function demandOf(reasons: readonly string[]): 'set_up' | 'refuse' | undefined {
  if (reasons.includes('require_mfa')) return 'set_up'
  const insists = reasons.some(
    (reason) => reason === 'essential_acr' || reason === 'essential_acrs',
  )
  return insists ? 'refuse' : undefined
}

/**
 * Whether the client prefers a second factor that the signed-in user has, but did not use. A preference never causes an
 * error (OpenID Connect Core §3.1.2.1): a user who has none, or must not be asked, continues without.
 */
async function couldBeStronger(
  { tenant, factors }: IssuerContext,
  oidc: KoaContextWithOIDC['oidc'],
): Promise<boolean> {
  const { acr } = (oidc.claims?.id_token ?? {}) as Record<string, AcrRequest | null>
  if (acr?.essential || !wishesOf(acr).includes(multiFactor)) return false
  const { session, prompts, result } = oidc
  if (session?.accountId === undefined || session.acr === multiFactor) return false
  if (prompts.has('none') || result?.login) return false
  return factors.asked(tenant, session.accountId)
}

/**
 * What the `claims` parameter may ask for (OpenID Connect Core §5.5), beyond what the engine checks.
 *
 * An authentication context that a request insists on and that this server does not have is an error, never a lesser
 * one in silence (OpenID Connect Core §5.5.1.1, P-021).
 */
export async function claimsRules(
  _ctx: KoaContextWithOIDC,
  claims: { id_token?: Record<string, AcrRequest | null> | undefined },
): Promise<void> {
  if (!isStorable(claims)) throw new errors.InvalidRequest(`claims ${storableRule}`)
  for (const [name, wanted] of Object.entries(claims.id_token ?? {})) {
    if (wanted !== null && (typeof wanted !== 'object' || Array.isArray(wanted))) {
      // The sender chose the name, and a page of this server may show the description: the name is only for the log.
      const description = 'each member of claims.id_token must be null or an object'
      throw new errors.InvalidRequest(
        description,
        undefined,
        `claims.id_token.${name.slice(0, 100)} must be null or an object`,
      )
    }
  }
  const acr = claims.id_token?.['acr']
  const wishes = wishesOf(acr)
  if (acr?.essential && wishes.length > 0 && !wishes.includes(multiFactor))
    throw new errors.CustomOIDCProviderError(unmet.error, unmet.error_description)
}

/** OpenID Connect Unmet Authentication Requirements 1.0 §2. */
export const unmet = {
  error: 'unmet_authentication_requirements',
  error_description: 'none of the requested authentication contexts can be reached',
}
