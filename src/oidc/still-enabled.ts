import { errors } from 'oidc-provider'
import type { IssuerContext } from './capabilities.ts'

/**
 * A machine's token hangs from no row that a revocation would wait for, and its request may have waited since the client
 * and its tenant were looked up: for the client's keys, or for Postgres. One that is dated later than who disabled them
 * reckoned with would not be denied. A token with a person hangs from a family that is held until it ends, before the
 * denial is dated (ADR 0019 says what that asks of clocks).
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
