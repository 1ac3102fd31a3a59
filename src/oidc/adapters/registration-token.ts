import type { Adapter, AdapterPayload } from 'oidc-provider'
import { hashOf } from '../../secrets/handle.ts'
import type { IssuerContext } from '../capabilities.ts'

/** Initial access tokens and registration access tokens; they may live without an end. */
export function registrationTokenAdapter(kind: string, context: IssuerContext): Adapter {
  const { tenant, registrationTokens, clock } = context
  return {
    async find(id) {
      const payload = await registrationTokens.find(tenant, kind, hashOf(id))
      return payload && { ...(payload as AdapterPayload), jti: id }
    },
    async upsert(id, { jti: _jti, ...payload }, expiresIn) {
      await registrationTokens.put(tenant, {
        kind,
        hash: hashOf(id),
        clientId: payload.clientId,
        payload,
        expiresAt: expiresIn === undefined ? undefined : clock.now() + expiresIn * 1000,
      })
    },
    destroy: (id) => registrationTokens.delete(tenant, kind, hashOf(id)),
    consume: async () => undefined,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}
