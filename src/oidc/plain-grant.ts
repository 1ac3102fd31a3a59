import type { AdapterPayload, Client as EngineClient } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { Grant } from '../grants/grant.ts'
import { isTooWeak } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'
import type { PlainTarget } from './plain-tokens.ts'

/**
 * What plain redemptions of a code and of a refresh token have in common: when they are plain, and what the answer is.
 */

/** Whether a stored payload is bound to a key or to authorization details: then the engine must answer. */
export function isBound(payload: AdapterPayload): boolean {
  const { jkt, 'x5t#S256': thumbprint, dpopJkt, attestationJkt, rar } = payload as BoundPayload
  return [jkt, thumbprint, dpopJkt, attestationJkt, rar].some((each) => each !== undefined)
}

type BoundPayload = Record<'jkt' | 'x5t#S256' | 'dpopJkt' | 'attestationJkt' | 'rar', unknown>

/**
 * The grant and the account that a payload hangs from.
 * @returns undefined unless both are live and belong to it, and its sign-in is strong enough
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

/** The answer (RFC 6749 §5.1), with its members in the engine's order; no `scope` rather than an empty one (§3.3). */
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
