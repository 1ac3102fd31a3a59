import type { ClientMetadata } from './client.ts'

/** Whether the client's tokens are bound to its own key: by DPoP (RFC 9449 §5.2) or mutual TLS (RFC 8705 §3.4). */
export function bindsTokens(
  client: Pick<
    ClientMetadata,
    'dpop_bound_access_tokens' | 'tls_client_certificate_bound_access_tokens'
  >,
): boolean {
  return client.dpop_bound_access_tokens || client.tls_client_certificate_bound_access_tokens
}
