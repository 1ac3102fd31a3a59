import type { AdapterPayload, Client as EngineClient } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { Grant } from '../grants/grant.ts'
import { isTooWeak } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'
import type { PlainTarget } from './plain-tokens.ts'

/**
 * What plain redemptions of a code and of a refresh token have in common: when they are plain, and what the answer is.
 */

/** Whether what is stored of something is bound to a key, or to details of an authorization: then it is the stack's. */
export function isBound(payload: AdapterPayload): boolean {
  const { jkt, 'x5t#S256': thumbprint, dpopJkt, attestationJkt, rar } = payload as BoundPayload
  return [jkt, thumbprint, dpopJkt, attestationJkt, rar].some((each) => each !== undefined)
}

type BoundPayload = Record<'jkt' | 'x5t#S256' | 'dpopJkt' | 'attestationJkt' | 'rar', unknown>

/**
 * Grant and account that something hangs from, where both live, belong together, and its sign-in is strong enough.
 * @returns undefined where that is not so
 */
export async function standingOf(
  context: IssuerContext,
  kind: 'AuthorizationCode' | 'RefreshToken',
  payload: AdapterPayload,
  { grant, account }: { grant?: Grant | undefined; account?: Account | undefined },
  client: EngineClient,
): Promise<{ account: Account; grant: Grant } | undefined> {
  const { accountId, clientId, grantId, acr } = payload
  if (!grant || grant.id !== grantId || grant.clientId !== clientId) return undefined
  if (accountId === undefined || grant.accountId !== accountId) return undefined
  if (account?.id !== accountId || account.disabled) return undefined
  const source = { kind, ...(acr ? { acr } : {}) }
  return (await isTooWeak(context, client, source)) ? undefined : { account, grant }
}

/** The answer (RFC 6749 §5.1), its members in the order of the engine; a `scope` names one at the least (§3.3). */
export function tokenAnswer(
  { expiresIn, scope }: PlainTarget,
  tokens: { access: string; id?: string | undefined; refresh?: string | false },
) {
  return {
    access_token: tokens.access,
    expires_in: expiresIn,
    ...(tokens.id ? { id_token: tokens.id } : {}),
    ...(tokens.refresh ? { refresh_token: tokens.refresh } : {}),
    ...(scope ? { scope } : {}),
    token_type: 'Bearer',
  }
}
