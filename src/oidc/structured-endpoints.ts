import type { Middleware } from 'koa'
import type Provider from 'oidc-provider'
import {
  type AdapterPayload,
  type Client as EngineClient,
  errors,
  type KoaContextWithOIDC,
} from 'oidc-provider'
import type { Refusal } from '../refusals/refusal.ts'
import type { TraceClaims } from './access-token.ts'
import type { IssuerContext } from './capabilities.ts'
import type { ResourceAccess } from './resource-access.ts'
import type { StructuredTokens } from './structured-tokens.ts'

/** RFC 9701 §4; without the charset that Koa adds to a type it knows. */
export const introspectionJwt = 'application/token-introspection+jwt'

type Introspection = { active: boolean; aud?: unknown } & Record<string, unknown>

/** Requests that the engine refused only because the token is a JWT; their client is authenticated by then. */
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
  requestIdOf: (ctx: object) => string,
): Middleware {
  const mark = (ctx: KoaContextWithOIDC, error: Error) => {
    if (isRefusedJwt(error)) refusedJwts.add(ctx)
  }
  /** RFC 7662 §2.2 gives no reason in the answer; the id of the request leads to it. */
  function noteInactive(
    ctx: KoaContextWithOIDC,
    about: Pick<Refusal, 'check' | 'reason' | 'expected' | 'received'>,
  ): void {
    const { client, route: endpoint } = ctx.oidc
    const { tenant, refusals } = context
    const id = requestIdOf(ctx)
    const clientId = client?.clientId
    refusals.note({ id, tenant, endpoint, error: 'inactive', clientId, ip: ctx.ip, ...about })
  }
  provider.on('introspection.error', mark)
  provider.on('revocation.error', mark)

  return async (ctx, next) => {
    await next()
    const { oidc } = ctx as KoaContextWithOIDC
    if (refusedJwts.has(ctx)) {
      const token = oidc.params?.['token'] as string
      const caller = oidc.client as EngineClient
      const { status, body } =
        oidc.route === 'introspection'
          ? await inForm(
              ctx as KoaContextWithOIDC,
              caller,
              await introspect(ctx as KoaContextWithOIDC, token, caller.clientId),
            )
          : await revoke(token, caller.clientId)
      ctx.status = status
      ctx.body = body
      ctx.type = typeof body === 'string' ? introspectionJwt : 'json'
    } else if (ctx.status === 200 && oidc?.route === 'introspection' && isInactive(ctx.body)) {
      noteInactive(ctx as KoaContextWithOIDC, {
        check: 'access_token_valid',
        reason:
          'the token is unknown, expired or revoked, or the caller is neither its client nor its audience',
      })
    } else if (ctx.status === 200 && oidc?.route === 'revocation') {
      // RFC 7009 §2.2 leaves the body open; some clients parse it as JSON whatever it is (K-20).
      ctx.body = {}
    }
  }

  /** A signed answer for callers that ask for one (RFC 9701), as the engine gives it for other tokens. */
  async function inForm(
    ctx: KoaContextWithOIDC,
    client: EngineClient,
    answer: Introspection,
  ): Promise<{ status: number; body: object | string }> {
    if (ctx.accepts('json', introspectionJwt) !== introspectionJwt) {
      if (client.introspectionEncryptedResponseAlg === undefined) {
        return { status: 200, body: answer }
      }
      return refusal(`introspection must be requested with Accept: ${introspectionJwt}`)
    }
    const token = new provider.IdToken({}, { ctx })
    Object.assign(token, { extra: { token_introspection: answer, aud: answer.aud } })
    return { status: 200, body: await token.issue({ use: 'introspection' }) }
  }

  async function introspect(
    ctx: KoaContextWithOIDC,
    token: string,
    caller: string,
  ): Promise<Introspection> {
    const found = await structured.find(token)
    if (!found) {
      noteInactive(ctx, { check: 'access_token_valid', reason: await structured.whyNot(token) })
      return { active: false }
    }
    if (!(await access.mayIntrospect(caller, found))) {
      const expected = `${found.clientId}, or a client in introspection_clients of ${String(found.aud)}`
      noteInactive(ctx, { check: 'introspection_entitled', expected, received: caller })
      return { active: false }
    }
    return introspectionOf(context.issuer, found)
  }

  async function revoke(token: string, caller: string): Promise<{ status: number; body: object }> {
    const found = await structured.find(token)
    if (!found) return { status: 200, body: {} }
    if (found.clientId !== caller) {
      return refusal('client is not authorized to revoke the presented token')
    }
    await context.denials.add(context.tenant, [
      { kind: 'jti', subject: found.jti as string, audiences: [String(found.aud)] },
    ])
    return { status: 200, body: {} }
  }
}

/** The introspection answer for an active JWT access token (RFC 7662 §2.2, RFC 9449 §6.2, RFC 8705 §3.2). */
export function introspectionOf(issuer: string, found: AdapterPayload): Introspection {
  const { extra, clientId, jkt, 'x5t#S256': thumbprint } = found
  return {
    ...(extra as unknown as TraceClaims),
    active: true,
    sub: found['sub'],
    client_id: clientId,
    iss: issuer,
    aud: found.aud,
    exp: found.exp,
    iat: found.iat,
    jti: found.jti,
    scope: found.scope,
    token_type: jkt ? 'DPoP' : 'Bearer',
    ...(jkt || thumbprint ? { cnf: { jkt, 'x5t#S256': thumbprint } } : {}),
  }
}

function isInactive(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Reflect.get(body, 'active') === false
}

function refusal(description: string) {
  return { status: 400, body: { error: 'invalid_request', error_description: description } }
}
