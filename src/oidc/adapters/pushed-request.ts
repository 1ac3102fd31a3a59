import Provider, { type Adapter, errors } from 'oidc-provider'
import type { IssuerContext } from '../capabilities.ts'
import { hashIn, shortLivedAdapter } from './short-lived.ts'

/**
 * Pushed authorization requests (RFC 9126). The request itself may vanish; that it led to an authorization is a row in
 * Postgres, so that a `request_uri` that was opened in two browsers is answered in one of them (P-031).
 *
 * A person may take longer to sign in than the request is kept. The interaction has a copy by then and names the
 * request by the hash of its handle: only what the engine needs to claim it is made up again.
 */
export function pushedRequestAdapter(context: IssuerContext): Adapter {
  const { tenant, singleUse, clock, config } = context
  const base = shortLivedAdapter('PushedAuthorizationRequest', context)
  const spentKey = (id: string) => ({ tenant, kind: 'PushedAuthorizationRequest', key: hashIn(id) })
  /** Milliseconds since the epoch, past the end of any sign-in with this request. */
  const claimedUntil = () => clock.now() + (config.interactionTtl + 120) * 1000

  return {
    ...base,
    async find(id) {
      if (Provider.ctx?.oidc.route !== 'resume') return base.find(id)
      const spent = await singleUse.spentAt(spentKey(id))
      return {
        kind: 'PushedAuthorizationRequest',
        jti: id,
        iat: clock.seconds(),
        exp: clock.seconds() + 1,
        ...(spent === undefined ? {} : { consumed: Math.floor(spent / 1000) }),
      }
    },
    async consume(id) {
      if (await singleUse.spend(spentKey(id), claimedUntil())) return
      throw new errors.InvalidRequestUri('request_uri was already used by a concurrent request')
    },
  }
}
