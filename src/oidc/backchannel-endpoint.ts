import { type Client as EngineClient, errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { Budget } from '../attempts/attempts.ts'
import type { ClientMetadata } from '../clients/client.ts'
import type { IssuerContext } from './capabilities.ts'
import { pollInterval } from './polling.ts'

/**
 * The backchannel authentication endpoint (OpenID CIBA Core §7) beyond what the engine checks. Whom a request is for:
 *
 * | hint               | who is meant                                                                      |
 * |--------------------|-----------------------------------------------------------------------------------|
 * | `login_hint`       | the account with that e-mail address or username                                  |
 * | `id_token_hint`    | the subject of an ID token of ours that the client got, expired or not            |
 * | `login_hint_token` | refused: there is nobody whose tokens this server would believe                   |
 *
 * Who is not known, or disabled, is `unknown_user_id`: the specification has it so, and only clients learn it that are
 * declared for this grant and have authenticated. Each may name so many strangers and no more.
 */
export function backchannelFeature(context: IssuerContext) {
  const { tenant, accounts, attempts, counters } = context

  return {
    async processLoginHint({ oidc }: KoaContextWithOIDC, hint = ''): Promise<string | undefined> {
      const budgets = strangersOf(oidc.client as EngineClient)
      if (!(await attempts.take(tenant, budgets))) {
        counters.count('backchannel_refused')
        throw denied('the client has named too many people who are not known here')
      }
      const named =
        hint.length > longestHint ? undefined : await accounts.byIdentifier(tenant, hint)
      const account = named && (await accounts.active(tenant, named.id))
      if (account) await attempts.giveBack(tenant, budgets)
      return account?.id
    },

    processLoginHintToken(): never {
      throw new errors.InvalidRequest(
        'login_hint_token is not supported; name the person by login_hint or id_token_hint',
      )
    },

    /** It is shown to the person, who compares it with what the client shows: one line of text and nothing else. */
    validateBindingMessage({ oidc }: KoaContextWithOIDC, message?: string): void {
      if (message === undefined) {
        if (oidc.client?.['fapi'] === undefined) return
        throw new errors.InvalidRequest(
          'binding_message is required of this client (FAPI-CIBA 5.2.2)',
        )
      }
      if (!bindingMessage.test(message) || message !== message.trim()) {
        throw new errors.InvalidBindingMessage(
          `binding_message must be 1 to ${longestMessage} letters, digits, marks and single spaces`,
        )
      }
    },

    /** What a client says of the circumstances proves nothing, and is not kept. */
    validateRequestContext: () => undefined,

    verifyUserCode: () => undefined,

    /** The account page shows it by itself; what is left is to say how often the client may ask (§7.3). */
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

/** Strangers that a client may name in ten minutes. */
function strangersOf({ clientId }: EngineClient): Budget[] {
  return [{ kind: 'login_hint', subject: clientId, limit: 100, window: 600 }]
}

/** CIBA §13 has a status of its own for it. */
export function denied(description: string): Error {
  return Object.assign(new errors.AccessDenied(description), { status: 403, statusCode: 403 })
}

/** The account that a hint of the request names, where it is not the account's id: a pairwise subject (Core §8.1). */
export async function accountHinted(
  { tenant, subjects }: IssuerContext,
  { oidc }: KoaContextWithOIDC,
  sub: string,
): Promise<string | undefined> {
  if (oidc.route !== 'backchannel_authentication' || !oidc.entities.IdTokenHint) return sub
  return subjects.accountBehind(tenant, oidc.client?.metadata() as ClientMetadata, sub)
}
