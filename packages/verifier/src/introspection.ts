import { authenticated, type ClientCredentials } from './client.ts'
import { Unavailable } from './faults.ts'
import type { IssuerMetadata } from './metadata.ts'
import { jsonIn, type Requests } from './requests.ts'

/** Asks the issuer whether a token is active (RFC 7662). */
export interface Introspection {
  /**
   * @returns `requestId`: the issuer's `Request-Id`, with which it can explain the answer; null when a proxy removed it
   * @throws Unavailable when there is no answer; it must never be treated as active
   */
  ask(token: string, jti: string): Promise<{ isActive: boolean; requestId: string | null }>
}

export interface IntrospectionOptions extends ClientCredentials {
  /** Milliseconds. 5000 by default. */
  timeout?: number
}

const largest = 256 * 1024

export function createIntrospection(
  options: IntrospectionOptions,
  issuer: string,
  metadata: () => Promise<IssuerMetadata>,
  requests: Requests,
): Introspection {
  const { timeout = 5000 } = options
  return {
    async ask(token, jti) {
      const { introspection_endpoint: address } = await metadata()
      if (address === undefined)
        throw new Unavailable('introspection', 'the issuer has no introspection endpoint')
      try {
        const form = { token, token_type_hint: 'access_token' }
        const request = await authenticated(form, options, issuer)
        const answer = await requests.ask(address, request, { timeout, largest })
        const { active, jti: about } = jsonIn(answer, address)
        // An answer about another token does not count.
        const isActive = active === true && (about === undefined || about === jti)
        return { isActive, requestId: answer.headers.get('request-id') }
      } catch (error) {
        throw new Unavailable('introspection', (error as Error).message, error)
      }
    },
  }
}
