import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider'
import { familyStartedBy } from '../../families/family.ts'
import type { Presenter } from '../../families/replay.ts'
import { hashOf } from '../../secrets/handle.ts'
import { denialsNaming, traceClaims } from '../access-token.ts'
import type { IssuerContext } from '../capabilities.ts'
import { invalidGrant, presenterOf, requiredTokenRequest } from '../token-request.ts'
import { shortLivedAdapter } from './short-lived.ts'

interface StoredCode extends AdapterPayload {
  /** The browser that got it. */
  allowedFrom?: Presenter
}

/**
 * Authorization codes: one claim inside the token transaction makes them single-use. Whoever comes second, at the
 * same moment or later, is refused and ends what the first one got (RFC 6749 §4.1.2, RFC 9700 §4.2.4).
 */
export function authorizationCodeAdapter(context: IssuerContext): Adapter {
  const { tenant, families, sessions, singleUse, config, denials } = context
  const base = shortLivedAdapter('AuthorizationCode', context)

  function endWhatItIssued(id: string): void {
    const { unit } = requiredTokenRequest()
    unit.onRefusal(() => families.end(tenant, familyStartedBy(hashOf(id)), 'code_reuse'))
  }

  /** A code that was pending when its session, account or client was ended (architecture §6). */
  function isDenied(code: AdapterPayload): boolean {
    const extra = traceClaims(tenant, code, undefined)
    return denials.anyDenies(tenant, denialsNaming({ ...code, extra: { ...extra } }), code.iat ?? 0)
  }

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
      const found = (await base.find(id)) as StoredCode | undefined
      if (found?.allowedFrom) request.allowedFrom = found.allowedFrom
      request.allowedAt = found?.iat ?? 0
      const code = found && !isDenied(found) ? found : undefined
      await request.unit.open()
      // Who signs out meanwhile waits until the tokens are there to be ended (architecture §6).
      if (code && !(await sessions.hold(tenant, code.sessionUid as string))) return undefined
      const isCallers = code && code.clientId === Provider.ctx?.oidc.client?.clientId
      if (code?.consumed && isCallers) endWhatItIssued(id)
      return code
    },
    async consume(id) {
      const until = context.clock.now() + (config.authorizationCodeTtl + 60) * 1000
      const first = await singleUse.spend(
        { tenant, kind: 'AuthorizationCode', key: hashOf(id) },
        until,
      )
      if (!first) {
        endWhatItIssued(id)
        throw invalidGrant('authorization code already used, at the same moment')
      }
    },
  }
}
