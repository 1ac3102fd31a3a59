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
  /** The issuer, to the letter, as it stands in `iss`. */
  issuer: string
  /** What tokens for this API have as `aud`: its identifier at the issuer. */
  audience: string
  /** What this API was declared with; `ES256` alone by default. Asymmetric ones only. */
  algorithms?: string[]
  /** Seconds that clocks may differ; 30 to 60, 30 by default. */
  clockTolerance?: number
  /** Scopes that every route needs. */
  requiredScopes?: string[]
  /** The tenant whose tokens count, as `tenant_id` says; an issuer of a tenant has no others anyway. */
  tenant?: string
  /** Takes tokens that are bound to a key (RFC 9449); without it they are refused. */
  dpop?: DpopOptions
  /** Takes tokens that are bound to a certificate (RFC 8705); without it they are refused. */
  mtls?: MtlsOptions
  /** Hears of revocations. */
  feed?: FeedOptions
  /** Asks about single tokens, for routes with that policy. */
  introspection?: IntrospectionOptions
  jwks: KeySetOptions
  /** Describes this API to clients (RFC 9728); challenges then point to it. */
  metadata?: ResourceMetadataOptions
  /** The `realm` of challenges. */
  realm?: string
  /** Told of what went wrong in the background, and of what made a request fail with 503. For the log. */
  onFault?: (error: Error) => void
  /** In place of the runtime's own. */
  fetch?: Fetch
}

/** @throws TypeError that says what was expected and what came */
export function assertOptions(options: VerifierOptions): void {
  const { issuer, audience, algorithms, clockTolerance = 30, jwks, introspection, dpop } = options
  const expect = (holds: boolean, what: string, got: unknown) => {
    if (!holds) throw new TypeError(`${what}, got ${JSON.stringify(got)}`)
  }
  expect(typeof issuer === 'string' && issuer !== '', 'issuer: expected a URL', issuer)
  assertSafe(issuer)
  expect(typeof audience === 'string' && audience !== '', 'audience: expected a text', audience)
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
