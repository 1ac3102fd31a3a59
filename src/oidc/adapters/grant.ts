import type { Adapter, AdapterPayload } from 'oidc-provider'
import { rememberedGrant } from '../authorization-request.ts'
import type { IssuerContext } from '../capabilities.ts'
import { foreverSeconds } from '../lifetimes.ts'
import { currentTokenRequest } from '../token-request.ts'
import { inert } from './inert.ts'

/** Grants: what an account allowed a client, remembered. */
export function grantAdapter({ tenant, grants, clock }: IssuerContext): Adapter {
  return {
    // The engine revokes a whole grant where a family or a session ends; our unit of revocation is the family, and
    // consent outlives a sign-out (architecture §1).
    ...inert,
    async find(id) {
      const request = currentTokenRequest()
      // In a token request, the locked one: revoking it waits.
      const known = request?.grant?.id === id ? request.grant : rememberedGrant(id)
      const grant = known ?? (await grants.find(tenant, id))
      if (!grant) return undefined
      return {
        ...(grant.allowed as AdapterPayload),
        kind: 'Grant',
        jti: id,
        accountId: grant.accountId,
        clientId: grant.clientId,
        iat: grant.createdAt,
        exp: clock.seconds() + foreverSeconds,
      }
    },
    async upsert(id, payload) {
      const {
        kind: _kind,
        jti: _jti,
        iat: _iat,
        exp: _exp,
        accountId,
        clientId,
        ...allowed
      } = payload
      if (!accountId || !clientId) throw new Error('a grant without an account or a client')
      await grants.save({ tenant, id, accountId, clientId, allowed })
    },
  }
}
