import type { Middleware } from 'koa'
import type Provider from 'oidc-provider'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { TraceClaims } from './access-token.ts'
import type { IssuerContext } from './capabilities.ts'
import type { ResourceAccess } from './resource-access.ts'
import type { StructuredTokens } from './structured-tokens.ts'

/** Requests that the engine refused for nothing but the token being a JWT; the client is authenticated by then. */
const refusedJwts = new WeakSet<object>()

/** Whether an error of the engine is one that `structuredEndpoints` answers after all. */
export function isRefusedJwt(error: Error): boolean {
  return error instanceof errors.UnsupportedTokenType
}

/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of JWT access tokens, which the engine answers with
 * `unsupported_token_type` (engine.md §7). Must be installed before the engine's router.
 */
export function structuredEndpoints(
  provider: Provider,
  context: IssuerContext,
  structured: StructuredTokens,
  access: ResourceAccess,
): Middleware {
  const mark = (ctx: KoaContextWithOIDC, error: Error) => {
    if (isRefusedJwt(error)) refusedJwts.add(ctx)
  }
  provider.on('introspection.error', mark)
  provider.on('revocation.error', mark)

  return async (ctx, next) => {
    await next()
    const { oidc } = ctx as KoaContextWithOIDC
    if (refusedJwts.has(ctx)) {
      const token = oidc.params?.['token'] as string
      const caller = oidc.client?.clientId as string
      ctx.type = 'json'
      const answer =
        oidc.route === 'introspection'
          ? { status: 200, body: await introspect(token, caller) }
          : await revoke(token, caller)
      ctx.status = answer.status
      ctx.body = answer.body
    } else if (ctx.status === 200 && oidc?.route === 'revocation') {
      // RFC 7009 §2.2 leaves the body open; some clients parse it as JSON whatever it is (K-20).
      ctx.body = {}
    } else if (ctx.status === 200 && oidc?.route === 'introspection') {
      // The engine writes its own `sid`, which it leaves empty, over the one that the token carries.
      const body = ctx.body as { active: boolean; sid?: string }
      const { sid } = (oidc.entities.AccessToken?.extra ?? {}) as Partial<TraceClaims>
      if (body.active && sid !== undefined) body.sid ??= sid
    }
  }

  async function introspect(token: string, caller: string): Promise<object> {
    const found = await structured.find(token)
    if (!found || !(await access.mayIntrospect(caller, found))) return { active: false }
    const { extra, clientId, jkt, 'x5t#S256': thumbprint } = found
    return {
      ...(extra as unknown as TraceClaims),
      active: true,
      sub: found.accountId ?? clientId,
      client_id: clientId,
      iss: context.issuer,
      aud: found.aud,
      exp: found.exp,
      iat: found.iat,
      jti: found.jti,
      scope: found.scope,
      token_type: jkt ? 'DPoP' : 'Bearer',
      ...(jkt || thumbprint ? { cnf: { jkt, 'x5t#S256': thumbprint } } : {}),
    }
  }

  async function revoke(token: string, caller: string): Promise<{ status: number; body: object }> {
    const found = await structured.find(token)
    if (!found) return { status: 200, body: {} }
    if (found.clientId !== caller) {
      return {
        status: 400,
        body: {
          error: 'invalid_request',
          error_description: 'client is not authorized to revoke the presented token',
        },
      }
    }
    await context.denials.add(context.tenant, [{ kind: 'jti', subject: found.jti as string }])
    return { status: 200, body: {} }
  }
}
