import { proofAlgorithms } from './dpop.ts'
import type { VerifierOptions } from './options.ts'

/** Public metadata of this API (RFC 9728 §2). */
export interface ResourceMetadataOptions {
  /** The URL of this API, its resource identifier for clients. The audience by default, if that is a URL. */
  resource?: string
  name?: string
  documentation?: string
  /** Scopes that clients may ask for. */
  scopes?: string[]
}

const wellKnown = '/.well-known/oauth-protected-resource'

/** The document and its path: the well-known part stands between host and path (RFC 9728 §3.1). */
export interface ResourceMetadata {
  path: string
  url: string
  document: Record<string, unknown>
  /** Headers of the answer: any page may read it. */
  headers: [string, string][]
}

const headers: [string, string][] = [
  ['Content-Type', 'application/json'],
  ['Cache-Control', 'public, max-age=3600'],
  ['Access-Control-Allow-Origin', '*'],
]

/** @throws TypeError when the resource is not a URL */
export function resourceMetadata(options: VerifierOptions): ResourceMetadata | undefined {
  const { metadata, audience, issuer, dpop, mtls } = options
  if (!metadata) return undefined
  const { resource = audience, name, documentation, scopes } = metadata
  if (!/^https?:\/\//.test(resource) || !URL.canParse(resource)) {
    throw new TypeError(`metadata.resource: expected a URL, got ${JSON.stringify(resource)}`)
  }
  const { origin, pathname, search } = new URL(resource)
  const path = wellKnown + (pathname === '/' ? '' : pathname)
  const document = {
    resource,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: scopes,
    resource_name: name,
    resource_documentation: documentation,
    ...(dpop
      ? {
          dpop_signing_alg_values_supported: dpop.algorithms ?? proofAlgorithms,
          dpop_bound_access_tokens_required: dpop.required ?? false,
        }
      : {}),
    ...(mtls ? { tls_client_certificate_bound_access_tokens: true } : {}),
  }
  return {
    path,
    url: origin + path + search,
    // Drops undefined members.
    document: JSON.parse(JSON.stringify(document)) as Record<string, unknown>,
    headers,
  }
}
