import type { PlainRefresh } from '../oidc/plain-refresh.ts'
import type { PlainHandler } from './direct.ts'

/** A refresh (RFC 6749 §6): for a JWT, with nothing narrowed. */
export function plainRefreshes(refresh: PlainRefresh): PlainHandler {
  return {
    parameters: ['grant_type', 'refresh_token'],
    async answer({ parameters: { refresh_token: presented }, caller, issuedTo }) {
      if (presented === undefined) return undefined
      return refresh(presented, caller, issuedTo)
    },
  }
}
