import { authenticated, type ClientCredentials } from '../client.ts'
import { now } from '../clock.ts'
import type { IssuerMetadata } from '../metadata.ts'
import { jsonIn, type Requests, renewalOf } from '../requests.ts'

/** The access token with which this API reads the feed. */
export interface ReaderToken {
  /** @throws Error when the issuer issues none */
  get(): Promise<string>
  /** Discards the token, as the issuer refused it. */
  drop(): void
}

const largest = 64 * 1024

export function createReaderToken(
  credentials: ClientCredentials,
  issuer: string,
  metadata: () => Promise<IssuerMetadata>,
  requests: Requests,
  timeout: number,
): ReaderToken {
  let known: { token: string; renewAt: number } | undefined

  return {
    async get() {
      if (known && now() < known.renewAt) return known.token
      const { token_endpoint: address } = await metadata()
      if (address === undefined) throw new Error('the issuer has no token endpoint')
      const form = {
        grant_type: 'client_credentials',
        resource: `${issuer.replace(/\/$/, '')}/revocations`,
        scope: 'revocations:read',
      }
      const request = await authenticated(form, credentials, issuer)
      const answer = await requests.ask(address, request, { timeout, largest })
      const { access_token: token, expires_in: lifetime } = jsonIn(answer, address)
      if (typeof token !== 'string') throw new Error(`${address} returned no access token`)
      known = { token, renewAt: renewalOf(lifetime) }
      return token
    },
    drop() {
      known = undefined
    },
  }
}
