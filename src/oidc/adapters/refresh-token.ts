import type { Adapter, AdapterPayload } from 'oidc-provider'
import type { NewToken } from '../../families/family.store.ts'
import type { StoredRefreshToken } from '../../families/family.ts'
import { hashOf } from '../../secrets/handle.ts'
import { isForeignKeyViolation, isUniqueViolation } from '../../storage/violations.ts'
import type { IssuerContext } from '../capabilities.ts'
import { currentTokenRequest, invalidGrant, requiredTokenRequest } from '../token-request.ts'

/**
 * Refresh tokens live in families. The engine calls `find`, then `consume` of the old token, then `upsert` of its
 * successor; the last two become one statement, so that nothing can come between them.
 */
export function refreshTokenAdapter(context: IssuerContext): Adapter {
  const { tenant, families, config, clock } = context

  function restored(id: string, stored: StoredRefreshToken | undefined) {
    if (!stored) return undefined
    const consumed = stored.consumedAt
    return {
      ...(stored.payload as AdapterPayload),
      jti: id,
      ...(consumed === undefined ? {} : { consumed: Math.floor(consumed / 1000) }),
    }
  }

  async function rotate(parent: string, token: NewToken): Promise<void> {
    if (await families.rotate(tenant, parent, token)) return
    endFamily()
    throw invalidGrant('refresh token already used, at the same moment')
  }

  async function start(payload: AdapterPayload, token: NewToken): Promise<void> {
    const { familyId } = requiredTokenRequest()
    const { grantId, accountId, clientId, sessionUid, expiresWithSession } = payload
    if (!familyId || !grantId || !accountId || !clientId) {
      throw new Error('a refresh token without a family, grant, account or client')
    }
    await families.start(
      {
        tenant,
        id: familyId,
        grantId,
        accountId,
        clientId,
        sessionUid,
        endsWithSession: expiresWithSession === true,
        expiresAt: clock.now() + config.refreshTokenAbsoluteTtl * 1000,
      },
      token,
    )
  }

  function endFamily(): void {
    const { unit, familyId } = requiredTokenRequest()
    if (familyId) unit.onRefusal(() => families.end(tenant, familyId, 'reuse'))
  }

  return {
    async find(id) {
      const request = currentTokenRequest()
      if (!request) return restored(id, await families.find(tenant, hashOf(id)))
      await request.unit.open()
      const stored = await families.findLocked(tenant, hashOf(id))
      if (stored) request.familyId = stored.familyId
      return restored(id, stored)
    },
    async consume(id) {
      requiredTokenRequest().rotating = hashOf(id)
    },
    async upsert(id, { jti: _jti, consumed: _consumed, ...payload }, expiresIn = 0) {
      const token = { hash: hashOf(id), payload, expiresAt: clock.now() + expiresIn * 1000 }
      const { rotating } = requiredTokenRequest()
      await (rotating ? rotate(rotating, token) : start(payload, token)).catch((error: unknown) => {
        // Another request ended the grant or started the family: the keys decide, not the clock.
        if (isForeignKeyViolation(error)) throw invalidGrant('the grant was revoked meanwhile')
        if (isUniqueViolation(error)) throw invalidGrant('already redeemed, at the same moment')
        throw error
      })
    },
    // On the token endpoint the engine destroys a token only when it was used before; elsewhere, to revoke it.
    async destroy(id) {
      if (currentTokenRequest()) return endFamily()
      const stored = await families.find(tenant, hashOf(id))
      if (stored) await families.end(tenant, stored.familyId, 'revoked')
    },
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}
