import type { JWK } from 'oidc-provider'
import type { KeySet } from '../signing/key-set.ts'

/**
 * The keys as the engine has to have them: it signs with those that sign, and knows the others only to verify an
 * `id_token_hint`. So it cannot sign with a key that has not been published for long enough, in whatever order.
 */
export function engineKeys({ signing, published }: KeySet): JWK[] {
  return published.map((key) => {
    const jwk = key.privateJwk as JWK
    return signing.includes(key) ? jwk : { ...jwk, key_ops: ['verify'] }
  })
}
