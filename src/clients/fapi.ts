import { bindsTokens } from './binds-tokens.ts'
import type { ClientMetadata } from './client.ts'

/** Algorithms of FAPI 2.0 §5.4.1. */
export const fapiAlgs: readonly string[] = ['PS256', 'ES256', 'EdDSA', 'Ed25519']

/** Seconds that a code lives at most (§5.3.2.1-11). */
export const fapiCodeTtl = 60

/**
 * What the FAPI 2.0 Security Profile makes of a client with `fapi: '2.0'`, by requirement. `forced` members have that
 * value whatever the client says; the others must be declared so.
 *
 * | requirement                               | 5.3.2.1 | what it becomes                                            |
 * |-------------------------------------------|---------|------------------------------------------------------------|
 * | confidential clients alone                | 3, 6    | `private_key_jwt`, `tls_client_auth` or self-signed        |
 * | sender-constrained access tokens          | 4, 5    | `dpop_bound_…` or `tls_client_certificate_bound_…`         |
 * | the issuer is the audience, as a string   | 8       | forced; client-assertion.ts                                |
 * | refresh tokens do not rotate              | 9       | forced                                                     |
 * | a code lives a minute                     | 11      | forced; lifetimes.ts                                       |
 *
 * | requirement                               | 5.3.2.2 | what it becomes                                            |
 * |-------------------------------------------|---------|------------------------------------------------------------|
 * | pushed requests, authenticated            | 2, 3, 4 | forced                                                     |
 * | PKCE with S256                            | 5       | forced                                                     |
 * | no http redirect URIs but loopback        | 8       | web clients: https alone                                   |
 *
 * | requirement                               | 5.4.1   | what it becomes                                            |
 * |-------------------------------------------|---------|------------------------------------------------------------|
 * | PS256, ES256, EdDSA                       | 1       | every `…_signing_alg` and `…_signed_response_alg`; what the |
 * |                                           |         | client signs, too                                          |
 *
 * Requirements that hold for every client are not repeated: `response_type=code`, `iss` in every answer, 303, codes
 * used once, `request_uri` for a minute, RSA of 2048 bits, the rules of clocks.
 */
export const fapiForced = {
  require_pushed_authorization_requests: true,
  require_pkce: true,
  refresh_token_rotation: 'never',
  client_assertion_audience: 'issuer',
} as const

const authMethods = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']

const algMembers = [
  'token_endpoint_auth_signing_alg',
  'request_object_signing_alg',
  'id_token_signed_response_alg',
  'userinfo_signed_response_alg',
  'introspection_signed_response_alg',
  'authorization_signed_response_alg',
  'backchannel_authentication_request_signing_alg',
] as const

/** What keeps a client from being a FAPI 2.0 client: member → what it must be. */
export function fapiFaults(client: ClientMetadata): [keyof ClientMetadata, string][] {
  const faults: [keyof ClientMetadata, string][] = []
  if (!authMethods.includes(client.token_endpoint_auth_method)) {
    faults.push(['token_endpoint_auth_method', `must be one of ${authMethods.join(', ')}`])
  }
  if (!bindsTokens(client)) {
    faults.push([
      'dpop_bound_access_tokens',
      'must be true, or tls_client_certificate_bound_access_tokens',
    ])
  }
  for (const member of algMembers) {
    const alg = client[member]
    if (alg !== undefined && !fapiAlgs.includes(alg)) {
      faults.push([member, `must be one of ${fapiAlgs.join(', ')}, it is ${alg}`])
    }
  }
  if (
    client.application_type === 'web' &&
    client.redirect_uris.some((uri) => uri.startsWith('http:'))
  ) {
    faults.push(['redirect_uris', 'must be https'])
  }
  return faults.map(([member, fault]) => [member, `${fault} (FAPI 2.0)`])
}
