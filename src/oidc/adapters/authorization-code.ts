import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider'
import { familyStartedBy } from '../../families/family.ts'
import type { Presenter } from '../../families/replay.ts'
import { hashOf } from '../../secrets/handle.ts'
import type { IssuerContext } from '../capabilities.ts'
import { createRedemption } from '../redemption.ts'
import { presenterOf, requiredTokenRequest } from '../token-request.ts'
import { byHash, shortLivedAdapter, storedPayloads } from './short-lived.ts'

interface StoredCode extends AdapterPayload {
  /** The browser that got it. */
  allowedFrom?: Presenter
}

/**
 * Authorization codes: one claim inside the token transaction makes them single-use. Whoever comes second, at the
 * same moment or later, is refused, and ends what the first one got if they could have got it (ADR 0034).
 */
export function authorizationCodeAdapter(context: IssuerContext): Adapter {
  const { clock, config } = context
  const model = 'AuthorizationCode'
  const base = shortLivedAdapter(model, context)
  const payloads = storedPayloads(model, context)
  const redemption = createRedemption(model, context, config.authorizationCodeTtl)

  return {
    ...base,
    // The browser stands for the device: the token endpoint sees the server of a confidential client.
    upsert(id, payload, expiresIn) {
      const { ctx } = Provider
      const stored: StoredCode = { ...payload, ...(ctx ? { allowedFrom: presenterOf(ctx) } : {}) }
      return base.upsert(id, stored, expiresIn)
    },
    async find(id) {
      const request = requiredTokenRequest()
      request.familyId = familyStartedBy(hashOf(id))
      // A caller must not be able to present a hash in place of the handle.
      const code = id.startsWith(byHash) ? undefined : ((await payloads.get(id)) as StoredCode)
      if (!code || redemption.isDenied(code, code.iat ?? 0)) return undefined
      if (code.allowedFrom) request.allowedFrom = code.allowedFrom
      request.allowedAt = code.iat ?? 0
      // Refused by the engine next.
      if (code.clientId !== Provider.ctx?.oidc.client?.clientId) return code
      // Who signs out meanwhile waits until the tokens are there to be ended (architecture §6).
      const { stands, spentAt } = await redemption.hold(id, code)
      if (!stands) return undefined
      if (spentAt === undefined) return code
      // As if it were unused, and current: every other check comes before `consume`.
      return { ...code, exp: clock.seconds() + 60 }
    },
    consume: async () => redemption.consume(),
  }
}
