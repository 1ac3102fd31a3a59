import { createVerifier, type Verifier } from '@keyturn/verifier'
import type { Settings } from './settings.ts'

/** What this API knows of the authorization server, and what it does when it cannot know. */
export function apiVerifier({ issuer, audience, clientId, clientSecret }: Settings): Verifier {
  return createVerifier({
    issuer,
    audience,
    realm: 'orders',
    // An issuer that is away for longer than its keys are known: rather no answer than one that may be wrong.
    jwks: { whenUnreachable: 'refuse' },
    // Told of revocations at once; after 20 s of silence nobody gets in.
    feed: { clientId, clientSecret, mode: 'stream', maxStaleness: 20, whenStale: 'refuse' },
    introspection: { clientId, clientSecret },
    onFault: (error) => console.error('api: the authorization server did not answer:', error),
  })
}
