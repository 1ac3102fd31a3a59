import Provider, { type Adapter } from 'oidc-provider'
import { familyStartedBy } from '../../families/family.ts'
import { hashOf } from '../../secrets/handle.ts'
import type { IssuerContext } from '../capabilities.ts'
import { invalidGrant, requiredTokenRequest } from '../token-request.ts'
import { shortLivedAdapter } from './short-lived.ts'

/**
 * Authorization codes: one claim inside the token transaction makes them single-use. Whoever comes second, at the
 * same moment or later, is refused and ends what the first one got (RFC 6749 §4.1.2, RFC 9700 §4.2.4).
 */
export function authorizationCodeAdapter(context: IssuerContext): Adapter {
  const { tenant, families, singleUse, config } = context
  const base = shortLivedAdapter('AuthorizationCode', context)

  function endWhatItIssued(id: string): void {
    const { unit } = requiredTokenRequest()
    unit.onRefusal(() => families.end(tenant, familyStartedBy(hashOf(id)), 'code_reuse'))
  }

  return {
    ...base,
    async find(id) {
      const request = requiredTokenRequest()
      request.familyId = familyStartedBy(hashOf(id))
      const code = await base.find(id)
      await request.unit.open()
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
