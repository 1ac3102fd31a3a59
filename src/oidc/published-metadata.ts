import type { Middleware } from 'koa'

/** Metadata in which the engine is wrong about this server: people have no user codes (CIBA §4). */
const corrected = { backchannel_user_code_parameter_supported: false }

/**
 * How clients authenticate at revocation and introspection: as at the token endpoint. Without these members,
 * `client_secret_basic` would be implied for revocation, and nothing for introspection (RFC 8414 §2).
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
 * Corrects and completes the engine's discovery documents.
 * @param paths of the documents
 * @param own members to add
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
