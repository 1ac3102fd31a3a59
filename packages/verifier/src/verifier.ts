import { type AccessTokenClaims, verifyAccessToken } from './access-token.ts'
import { checkBinding, type Presented } from './binding.ts'
import { createDpopNonces } from './dpop-nonces.ts'
import { invalidToken } from './faults.ts'
import { readDocument } from './feed/document.ts'
import { createFeed, type FeedStatus } from './feed/feed.ts'
import { type Guarantee, guaranteeOf } from './guarantee.ts'
import { createIntrospection } from './introspection.ts'
import { createKeySet } from './key-set.ts'
import { createMetadata } from './metadata.ts'
import { assertOptions, type VerifierOptions } from './options.ts'
import { checkScopes, checkStepUp, completePolicy, type Policy, scopesOf } from './policy.ts'
import type { ApiRequest } from './presented-token.ts'
import { type Decision, protect } from './protect.ts'
import { createReplayMemory } from './replay-memory.ts'
import { createRequests } from './requests.ts'
import { type ResourceMetadata, resourceMetadata } from './resource-metadata.ts'

/** A valid token. */
export interface VerifiedToken {
  /** The token itself, to pass it on. */
  token: string
  claims: AccessTokenClaims
  /** The user; for a machine the client itself. */
  subject: string
  clientId: string
  scopes: string[]
}

export interface Verifier {
  /**
   * Verifies a token.
   * @param presented how it was presented; by default as Bearer, without anything else
   * @throws TokenRefused when it is not accepted
   * @throws Unavailable when it cannot be checked
   */
  verify(token: string, policy?: Policy, presented?: Partial<Presented>): Promise<VerifiedToken>
  /** Decides about a whole request: serve it, or what to answer. */
  protect(request: ApiRequest, policy?: Policy): Promise<Decision>
  /** The guarantee about revoked tokens. @throws TypeError when the policy requires an option that is not configured */
  guarantee(policy?: Policy): Guarantee
  /** Checks a policy before the first request comes. @throws TypeError */
  assertPolicy(policy: Policy): void
  /** The protected resource metadata (RFC 9728), if configured. */
  readonly metadata: ResourceMetadata | undefined
  /**
   * Fetches keys and the first list of revocations ahead of the first request. Optional.
   * @throws Unavailable
   */
  ready(): Promise<void>
  /** For health checks and metrics. */
  status(): {
    keys: { kids: string[]; ageSeconds: number }
    feed: FeedStatus | undefined
    /** Number of requests sent to the issuer. */
    requests: number
  }
  /** Stops background work. */
  close(): void
}

/**
 * Creates a verifier of access tokens. Nothing is fetched before the first token or `ready`.
 * @throws TypeError that names the wrong option
 */
export function createVerifier(options: VerifierOptions): Verifier {
  assertOptions(options)
  const { issuer, audience, algorithms = ['ES256'], clockTolerance = 30, tenant, dpop } = options
  const { onFault = () => undefined } = options
  const requests = createRequests(options.fetch ?? ((url, init) => globalThis.fetch(url, init)))
  const metadata = createMetadata(issuer, requests)
  const keys = createKeySet(options.jwks, metadata, requests)
  const expected = { issuer, audience, algorithms, clockTolerance, tenant }
  const around = { issuer, audience, clockTolerance, metadata, requests, onFault }
  const feed =
    options.feed &&
    createFeed(options.feed, { ...around, read: (jws) => readDocument(jws, expected, keys) })
  const introspection =
    options.introspection && createIntrospection(options.introspection, issuer, metadata, requests)
  const nonces = dpop?.nonce && createDpopNonces(dpop.nonce.secret)
  const bindings = {
    mtls: options.mtls,
    dpop: dpop && { ...dpop, nonces, memory: createReplayMemory(dpop.remembered ?? 100_000) },
  }
  const described = resourceMetadata(options)

  async function verify(token: string, asked: Policy = {}, presented: Partial<Presented> = {}) {
    const policy = completePolicy(asked, options)
    const claims = await verifyAccessToken(token, expected, keys)
    const sent: Presented = { scheme: 'Bearer', ...presented }
    const useUpProof = await checkBinding(token, claims, sent, bindings)
    // What the token does not permit is refused before anything is requested.
    checkScopes(claims, policy)
    checkStepUp(claims, policy, clockTolerance)
    if (feed && policy.check !== 'offline' && (await feed.denies(claims))) {
      throw invalidToken('revoked', 'it was revoked')
    }
    // Before introspection, so that replayed proofs cause no requests to the issuer.
    useUpProof()
    if (introspection && policy.check === 'introspect' && Math.random() < policy.share) {
      const { isActive, requestId } = await introspection.ask(token, claims.jti)
      // Revoked, or this API may not introspect it; the issuer does not say which, but can explain the answer.
      if (!isActive) {
        const answer = requestId === null ? '' : ` (Request-Id ${requestId})`
        throw invalidToken('revoked', `the issuer says it is not active${answer}`)
      }
    }
    const { sub, client_id } = claims
    return { token, claims, subject: sub, clientId: client_id, scopes: scopesOf(claims) }
  }

  return {
    verify,
    protect: (request, policy = {}) =>
      protect(request, completePolicy(policy, options), {
        verify,
        options,
        onFault,
        nonce: async () => nonces?.current(),
        metadataUrl: described?.url,
      }),
    guarantee: (policy = {}) => guaranteeOf(completePolicy(policy, options), options),
    assertPolicy: (policy) => void completePolicy(policy, options),
    metadata: described,
    async ready() {
      await keys.load()
      await feed?.load()
    },
    status: () => ({ keys: keys.status(), feed: feed?.status(), requests: requests.count() }),
    close: () => feed?.close(),
  }
}
