import { createVerifier, type Verifier } from '@keyturn/verifier'
import type { Settings } from './settings.ts'

/**
 * Verifies tokens: what this API needs to know about the authorization server, and what it does when it cannot reach
 * it.
 */
export function apiVerifier({ issuer, audience, clientId, clientSecret }: Settings): Verifier {
  return createVerifier({
    issuer,
    audience,
    realm: 'orders',
    // If the issuer is unreachable for longer than keys may be used, answer 503 rather than trust removed keys.
    jwks: { whenUnreachable: 'refuse' },
    // Revocations arrive at once; after 20 s without news all tokens are refused.
    feed: { clientId, clientSecret, mode: 'stream', maxStaleness: 20, whenStale: 'refuse' },
    introspection: { clientId, clientSecret },
    onFault: (error) => console.error('api: the authorization server did not answer:', error),
  })
}
