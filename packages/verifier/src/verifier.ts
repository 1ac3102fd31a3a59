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

/** A token that holds. */
export interface VerifiedToken {
  /** The token itself, to hand it on. */
  token: string
  claims: AccessTokenClaims
  /** The person; for a machine the client itself. */
  subject: string
  clientId: string
  scopes: string[]
}

export interface Verifier {
  /**
   * Verifies a token that is at hand.
   * @param presented what came with it; by default it came as Bearer and with nothing
   * @throws TokenRefused when it is not good
   * @throws Unavailable when nobody can tell
   */
  verify(token: string, policy?: Policy, presented?: Partial<Presented>): Promise<VerifiedToken>
  /** Decides about a whole request: lets it through, or says what to answer. */
  protect(request: ApiRequest, policy?: Policy): Promise<Decision>
  /** What is promised of revoked tokens. @throws TypeError when the policy asks for what was not set up */
  guarantee(policy?: Policy): Guarantee
  /** Checks a policy before the first request comes. @throws TypeError */
  assertPolicy(policy: Policy): void
  /** The description of this API (RFC 9728), where it was set up. */
  readonly metadata: ResourceMetadata | undefined
  /**
   * Gets keys, and the first list of revocations, before the first request comes. Optional.
   * @throws Unavailable
   */
  ready(): Promise<void>
  /** For health checks and metrics. */
  status(): {
    keys: { kids: string[]; ageSeconds: number }
    feed: FeedStatus | undefined
    /** Requests that went to the issuer. */
    requests: number
  }
  /** Ends what runs in the background. */
  close(): void
}

/**
 * Creates a verifier of access tokens. Nothing is fetched before the first token comes, or `ready` is called.
 * @throws TypeError that says which option is wrong
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
    // What the token itself cannot do is refused before anybody is asked.
    checkScopes(claims, policy)
    checkStepUp(claims, policy, clockTolerance)
    if (feed && policy.check !== 'offline' && (await feed.denies(claims))) {
      throw invalidToken('revoked', 'it was revoked')
    }
    // Before the issuer is asked, so that nobody makes it answer for a proof that is played again.
    useUpProof()
    if (introspection && policy.check === 'introspect' && Math.random() < policy.share) {
      const { isActive, requestId } = await introspection.ask(token, claims.jti)
      // Revoked, or this API is not among those that may ask; the issuer says neither, but can explain the answer.
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
