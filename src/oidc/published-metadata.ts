import type { Middleware } from 'koa'

/** What the engine says of itself in discovery, and this server does not do: people have no user codes (CIBA §4). */
const corrected = { backchannel_user_code_parameter_supported: false }

/**
 * Clients authenticate there as at the token endpoint. Where nothing is said, it is `client_secret_basic` alone for
 * revocation, and cannot be known for introspection (RFC 8414 §2).
 */
function authenticationIn(metadata: Record<string, unknown>): Record<string, unknown> {
  const said = ['auth_methods_supported', 'auth_signing_alg_values_supported']
  const alike = ['revocation_endpoint', 'introspection_endpoint']
  return Object.fromEntries(
    alike.flatMap((endpoint) =>
      said.map((what) => [`${endpoint}_${what}`, metadata[`token_endpoint_${what}`]]),
    ),
  )
}

/**
 * @param paths of the discovery documents
 * @param own what they say beside
 */
export function publishedMetadata(
  paths: readonly string[],
  own: Record<string, unknown> = {},
): Middleware {
  return async (ctx, next) => {
    await next()
    if (paths.includes(ctx.path) && ctx.status === 200 && typeof ctx.body === 'object') {
      const metadata = ctx.body as Record<string, unknown>
      Object.assign(metadata, authenticationIn(metadata), corrected, own)
    }
  }
}
