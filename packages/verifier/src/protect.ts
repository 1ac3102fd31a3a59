import type { Presented } from './binding.ts'
import { challengeOf } from './challenge.ts'
import { TokenRefused, Unavailable } from './faults.ts'
import type { VerifierOptions } from './options.ts'
import type { Policy } from './policy.ts'
import { type ApiRequest, presentedToken } from './presented-token.ts'
import type { VerifiedToken } from './verifier.ts'

/** Whether to serve a request, and the headers of its answer. */
export type Decision =
  | { granted: true; token: VerifiedToken; headers: [string, string][] }
  | {
      granted: false
      status: number
      /** Names may repeat. */
      headers: [string, string][]
      body: Record<string, string>
      /** The reason, for the log. */
      reason: TokenRefused | Unavailable | undefined
    }

interface Around {
  verify(token: string, policy: Policy, presented: Partial<Presented>): Promise<VerifiedToken>
  options: VerifierOptions
  onFault(error: Error): void
  nonce(): Promise<string | undefined>
  metadataUrl: string | undefined
}

/**
 * Decides whether to serve a request.
 *
 * | request                                                    | answer                                     |
 * |------------------------------------------------------------|--------------------------------------------|
 * | no token                                                   | 401, without error code                    |
 * | two tokens, a token in the URL, a scheme without a token   | 400 `invalid_request`                      |
 * | token invalid, expired, revoked, or bound to another party | 401 `invalid_token`                        |
 * | DPoP proof invalid                                         | 401 `invalid_dpop_proof`, `use_dpop_nonce` |
 * | token valid, without the scope                             | 403 `insufficient_scope`                   |
 * | token valid, authentication too weak or too old            | 401 `insufficient_user_authentication`     |
 * | token could not be checked                                 | 503                                        |
 */
export async function protect(
  request: ApiRequest,
  policy: Policy,
  { verify, options, onFault, nonce, metadataUrl }: Around,
): Promise<Decision> {
  let scheme: 'Bearer' | 'DPoP' | undefined

  async function refuse(refused?: TokenRefused): Promise<Decision> {
    const { status, challenges } = challengeOf(refused, scheme, policy, options, metadataUrl)
    const headers = challenges.map((each): [string, string] => ['WWW-Authenticate', each])
    const fresh = refused?.code === 'use_dpop_nonce' ? await nonce() : undefined
    if (fresh !== undefined) headers.push(['DPoP-Nonce', fresh])
    const needed = `expected the header Authorization: ${options.dpop?.required ? 'DPoP' : 'Bearer'} <access token>`
    const body = refused
      ? { error: refused.code, error_description: refused.message }
      : { error: 'unauthorized', error_description: needed }
    return { granted: false, status, headers, body, reason: refused }
  }

  try {
    const presented = presentedToken(request)
    if (!presented) return await refuse()
    scheme = presented.scheme
    const { method, target, certificate } = request
    const token = await verify(presented.token, policy, {
      scheme,
      proof: presented.proof,
      method,
      target,
      certificate,
    })
    const current = scheme === 'DPoP' ? await nonce() : undefined
    const headers: [string, string][] = current === undefined ? [] : [['DPoP-Nonce', current]]
    return { granted: true, token, headers }
  } catch (error) {
    if (error instanceof TokenRefused) return refuse(error)
    if (!(error instanceof Unavailable)) throw error
    // An unchecked token is not a valid one.
    onFault(error)
    return {
      granted: false,
      status: 503,
      headers: [['Retry-After', '2']],
      body: { error: 'temporarily_unavailable' },
      reason: error,
    }
  }
}
