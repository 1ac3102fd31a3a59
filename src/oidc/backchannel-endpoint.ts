import { type Client as EngineClient, errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { Budget } from '../attempts/attempts.ts'
import type { ClientMetadata } from '../clients/client.ts'
import type { IssuerContext } from './capabilities.ts'
import { pollInterval } from './polling.ts'

/**
 * The backchannel authentication endpoint (OpenID CIBA Core §7) beyond what the engine checks. The user of a request:
 *
 * | hint               | user                                                                              |
 * |--------------------|-----------------------------------------------------------------------------------|
 * | `login_hint`       | the account with that e-mail address or username                                  |
 * | `id_token_hint`    | the subject of an ID token that this server issued to the client, expired or not  |
 * | `login_hint_token` | refused: no issuer of such tokens is trusted                                      |
 *
 * An account that is unknown or disabled is answered `unknown_user_id` (§13). Only authenticated clients of this grant
 * can learn that from it, and each may name only a limited number of unknown users.
 */
export function backchannelFeature(context: IssuerContext) {
  const { tenant, accounts, attempts, counters } = context

  return {
    async processLoginHint({ oidc }: KoaContextWithOIDC, hint = ''): Promise<string | undefined> {
      const budgets = strangersOf(oidc.client as EngineClient)
      if (!(await attempts.take(tenant, budgets))) {
        counters.count('backchannel_refused')
        throw denied('the client has sent too many unknown users in login_hint; try again later')
      }
      const named =
        hint.length > longestHint ? undefined : await accounts.byIdentifier(tenant, hint)
      const account = named && (await accounts.active(tenant, named.id))
      if (account) await attempts.giveBack(tenant, budgets)
      return account?.id
    },

    processLoginHintToken(): never {
      throw new errors.InvalidRequest(
        'login_hint_token is not supported; send login_hint or id_token_hint',
      )
    },

    /** The person compares it with what the client shows, so it is one line of plain text. */
    validateBindingMessage({ oidc }: KoaContextWithOIDC, message?: string): void {
      if (message === undefined) {
        if (oidc.client?.['fapi'] === undefined) return
        throw new errors.InvalidRequest(
          'binding_message is required for this client (FAPI-CIBA 5.2.2)',
        )
      }
      if (!bindingMessage.test(message) || message !== message.trim()) {
        throw new errors.InvalidBindingMessage(
          `binding_message must be 1 to ${longestMessage} letters, digits, punctuation marks, symbols and single spaces`,
        )
      }
    },

    /** Not kept: what a client says of the circumstances proves nothing. */
    validateRequestContext: () => undefined,

    verifyUserCode: () => undefined,

    /** Nothing is sent: the account page shows the request. Adds how often the client may ask (§7.3). */
    triggerAuthenticationDevice({ body }: KoaContextWithOIDC): void {
      Object.assign(body as object, { interval: pollInterval })
    },
  }
}

const longestHint = 254
const longestMessage = 100
const bindingMessage = new RegExp(
  `^(?! )(?:[\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}]| (?! )){1,${longestMessage}}$`,
  'u',
)

/** How many unknown people a client may name: 100 in ten minutes. */
function strangersOf({ clientId }: EngineClient): Budget[] {
  return [{ kind: 'login_hint', subject: clientId, limit: 100, window: 600 }]
}

/** `access_denied` with the status that CIBA §13 demands. */
export function denied(description: string): Error {
  return Object.assign(new errors.AccessDenied(description), { status: 403, statusCode: 403 })
}

/** The id of the account that a hint names; the `sub` of an ID token may be pairwise (Core §8.1). */
export async function accountHinted(
  { tenant, subjects }: IssuerContext,
  { oidc }: KoaContextWithOIDC,
  sub: string,
): Promise<string | undefined> {
  if (oidc.route !== 'backchannel_authentication' || !oidc.entities.IdTokenHint) return sub
  return subjects.accountBehind(tenant, oidc.client?.metadata() as ClientMetadata, sub)
}
