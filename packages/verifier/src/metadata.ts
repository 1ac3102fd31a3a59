import { Unavailable } from './faults.ts'
import { jsonIn, type Requests } from './requests.ts'

/** The issuer metadata that this package uses (RFC 8414). */
export interface IssuerMetadata {
  jwks_uri: string
  token_endpoint?: string
  introspection_endpoint?: string
  revocation_feed_endpoint?: string
  revocation_feed_stream_endpoint?: string
}

const timeout = 5000
const largest = 256 * 1024

/**
 * Fetches the issuer's metadata once, on first use: API and issuer may start in any order. A failure is retried on the
 * next use.
 * @throws Unavailable
 */
export function createMetadata(issuer: string, requests: Requests): () => Promise<IssuerMetadata> {
  let known: Promise<IssuerMetadata> | undefined

  async function discover(): Promise<IssuerMetadata> {
    const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    try {
      const found = jsonIn(await requests.ask(address, {}, { timeout, largest }), address)
      // RFC 8414 §3.3: it MUST be identical; otherwise another server impersonates the issuer.
      if (found['issuer'] !== issuer) {
        throw new Error(`expected the issuer ${issuer}, got ${JSON.stringify(found['issuer'])}`)
      }
      if (typeof found['jwks_uri'] !== 'string') throw new Error(`${address} has no jwks_uri`)
      return found as unknown as IssuerMetadata
    } catch (error) {
      throw new Unavailable('metadata', `discovery failed: ${(error as Error).message}`, error)
    }
  }

  return () => {
    known ??= discover().catch((error: unknown) => {
      known = undefined
      throw error
    })
    return known
  }
}
