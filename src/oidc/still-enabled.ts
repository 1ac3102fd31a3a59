import { errors } from 'oidc-provider'
import type { IssuerContext } from './capabilities.ts'

/**
 * Checks again whether the client and its tenant are enabled, just before a machine's token is issued. Such a token
 * depends on no row that a revocation would lock, and the request may have waited (for the client's keys, for Postgres)
 * since both were looked up: a token dated after the denial would not be denied. A user's token depends on a family,
 * which a revocation locks before it dates the denial (ADR 0019 says what that requires of clocks).
 * @throws errors.InvalidClientAuth
 */
export async function assertStillEnabled(
  { clients, tenant, tenants }: IssuerContext,
  clientId: string | undefined,
) {
  const isThere = clientId !== undefined && (await clients.find(tenant, clientId))
  if (isThere && (await tenants.find(tenant))) return
  throw new errors.InvalidClientAuth('client not found')
}
