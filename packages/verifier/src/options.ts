import type { MtlsOptions } from './binding.ts'
import { assertCredentials } from './client.ts'
import type { DpopOptions } from './dpop.ts'
import type { FeedOptions } from './feed/feed.ts'
import type { IntrospectionOptions } from './introspection.ts'
import { asymmetric } from './jws.ts'
import type { KeySetOptions } from './key-set.ts'
import { assertSafe, type Fetch } from './requests.ts'
import type { ResourceMetadataOptions } from './resource-metadata.ts'

export interface VerifierOptions {
  /** The issuer identifier, exactly as in `iss`. */
  issuer: string
  /** The `aud` of tokens for this API: its identifier at the issuer. */
  audience: string
  /** The signing algorithms declared for this API at the issuer; `ES256` alone by default. Asymmetric ones only. */
  algorithms?: string[]
  /** Seconds that clocks may differ: 30 to 60; 30 by default. */
  clockTolerance?: number
  /** Scopes that every route requires. */
  requiredScopes?: string[]
  /** The required `tenant_id`; an issuer of a tenant issues no other tokens anyway. */
  tenant?: string
  /** Accepts tokens that are bound to a key (RFC 9449); without it they are refused. */
  dpop?: DpopOptions
  /** Accepts tokens that are bound to a certificate (RFC 8705); without it they are refused. */
  mtls?: MtlsOptions
  /** Follows the issuer's revocations. */
  feed?: FeedOptions
  /** Introspects single tokens, on routes with that policy. */
  introspection?: IntrospectionOptions
  jwks: KeySetOptions
  /** Publishes protected resource metadata (RFC 9728), which challenges then point to. */
  metadata?: ResourceMetadataOptions
  /** The `realm` of challenges. */
  realm?: string
  /** Receives errors of background work, and those that made a request fail with 503. For the log. */
  onFault?: (error: Error) => void
  /** Replaces the runtime's `fetch`. */
  fetch?: Fetch
}

/** @throws TypeError that names what was expected and what was given */
export function assertOptions(options: VerifierOptions): void {
  const { issuer, audience, algorithms, clockTolerance = 30, jwks, introspection, dpop } = options
  const expect = (holds: boolean, what: string, got: unknown) => {
    if (!holds) throw new TypeError(`${what}, got ${JSON.stringify(got)}`)
  }
  expect(typeof issuer === 'string' && issuer !== '', 'issuer: expected a URL', issuer)
  assertSafe(issuer)
  expect(typeof audience === 'string' && audience !== '', 'audience: expected a string', audience)
  expect(
    algorithms === undefined ||
      (algorithms.length > 0 && algorithms.every((alg) => asymmetric.includes(alg))),
    `algorithms: expected some of ${asymmetric.join(', ')}`,
    algorithms,
  )
  expect(
    clockTolerance >= 30 && clockTolerance <= 60,
    'clockTolerance: expected 30 to 60 seconds',
    clockTolerance,
  )
  expect(
    jwks?.whenUnreachable === 'refuse' || jwks?.whenUnreachable === 'accept',
    "jwks.whenUnreachable: expected 'refuse' or 'accept'; there is no default",
    jwks?.whenUnreachable,
  )
  if (introspection) assertCredentials(introspection, 'introspection')
  if (dpop) expect(URL.canParse(dpop.url), 'dpop.url: expected the address of this API', dpop.url)
}
