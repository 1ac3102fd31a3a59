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
 * Authorization codes: one claim inside the token transaction makes them single-use. A second redemption, at the same
 * moment or later, is refused. It ends what the first one got, if its sender could have got that (ADR 0034).
 */
export function authorizationCodeAdapter(context: IssuerContext): Adapter {
  const { clock, config } = context
  const model = 'AuthorizationCode'
  const base = shortLivedAdapter(model, context)
  const payloads = storedPayloads(model, context)
  const redemption = createRedemption(model, context, config.authorizationCodeTtl)

  return {
    ...base,
    // Records the browser, which stands for the device: at the token endpoint, a confidential client shows only its
    // server.
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
      // The engine then refuses it.
      if (code.clientId !== Provider.ctx?.oidc.client?.clientId) return code
      // Locks: a concurrent sign-out waits until the tokens exist and can be ended (architecture §6).
      const { stands, spentAt } = await redemption.hold(id, code)
      if (!stands) return undefined
      if (spentAt === undefined) return code
      // Looks unused and current, so that every other check comes before `consume`.
      return { ...code, exp: clock.seconds() + 60 }
    },
    consume: async () => redemption.consume(),
  }
}
