import type { EventEmitter } from 'node:events'
import type Provider from 'oidc-provider'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { cibaGrant, deviceCodeGrant } from '../clients/client.ts'
import type { EngineError } from './refused-checks.ts'

/** The grant types of endpoints that serve only one; at the token endpoint the request names it. */
const grantOf: Partial<Record<string, string>> = {
  device_authorization: deviceCodeGrant,
  backchannel_authentication: cibaGrant,
}

/**
 * The error code by RFC 6749 §5.2: `unauthorized_client` for a client that may not use a grant type, where the engine
 * says `invalid_request` (P-042).
 */
export function answeredCode({ oidc }: KoaContextWithOIDC, error: Error): string {
  const { client, route, params } = (oidc as KoaContextWithOIDC['oidc'] | undefined) ?? {}
  const grant = route === 'token' ? params?.['grant_type'] : grantOf[route ?? '']
  const isForbidden =
    error instanceof errors.InvalidRequest &&
    client !== undefined &&
    typeof grant === 'string' &&
    !client.grantTypeAllowed(grant)
  return isForbidden ? 'unauthorized_client' : error.message
}

/** What a client left out may be told; the engine says only `grant request is invalid`. */
const omissions: ReadonlySet<string | undefined> = new Set([
  'DPoP proof JWT not provided',
  'mutual TLS client certificate not provided',
])

/**
 * Why a client was not authenticated, as far as it reveals nothing: missing credentials look the same for a client that
 * does not exist, and anybody learns that a client is public by sending no secret.
 */
function unauthenticated({ oidc, headers }: KoaContextWithOIDC): string | undefined {
  const { client, params } = oidc
  const sent = headers.authorization ?? params?.['client_secret'] ?? params?.['client_assertion']
  if (sent === undefined)
    return 'the client does not exist, or must authenticate: the request has no client secret or assertion'
  if (client?.clientAuthMethod !== 'none') return undefined
  return 'client is registered with token_endpoint_auth_method none: send client_id, but no secret or assertion'
}

/** Endpoints for programs, as the engine's events name them. */
const endpoints = [
  'grant',
  'device_authorization',
  'backchannel_authentication',
  'pushed_authorization_request',
  'introspection',
  'revocation',
]

/** Gives the engine's answers that code, and says what the client left out, or sent for nothing. */
export function correctErrorCodes(provider: Provider): void {
  const events: EventEmitter = provider
  for (const endpoint of endpoints) {
    events.on(`${endpoint}.error`, (ctx: KoaContextWithOIDC, error: EngineError) => {
      const code = answeredCode(ctx, error)
      if (code !== error.message) ctx.body = { ...(ctx.body as object), error: code }
      const { error_detail: detail } = error
      const said =
        code === 'invalid_client' ? unauthenticated(ctx) : omissions.has(detail) && detail
      if (said) ctx.body = { ...(ctx.body as object), error_description: said }
    })
  }
}
