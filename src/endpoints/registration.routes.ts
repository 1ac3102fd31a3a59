import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { DomainError, isDomainError } from '../errors.ts'
import { readText } from '../http/body.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import { routes } from '../oidc/routes.ts'
import type { Caller, Registered } from '../registration/registrations.ts'
import { isStorable, storableRule } from '../storable.ts'

export const registrationMethods = {
  [routes.registration]: ['POST', 'OPTIONS'],
  [`${routes.registration}/:id`]: ['GET', 'PUT', 'DELETE', 'OPTIONS'],
}

/**
 * Dynamic client registration (RFC 7591, OpenID Connect Registration 1.0) and its management (RFC 7592). This server
 * implements it instead of the engine, so that clients have one schema and one writer.
 */
export function registrationRoutes(context: IssuerContext): Middleware {
  const { tenant, issuer, config, registrations } = context
  const router = new Router()
  const at = `${routes.registration}/:id`

  // Browser apps register themselves, too; any origin is safe, as cookies are ignored here.
  const openToAll: Middleware = async (ctx, next) => {
    ctx.set('Access-Control-Allow-Origin', '*')
    ctx.set('Access-Control-Expose-Headers', 'WWW-Authenticate, Request-Id, Retry-After')
    if (ctx.method === 'OPTIONS') {
      ctx.set('Access-Control-Allow-Methods', 'GET, POST, PUT, DELETE')
      ctx.set('Access-Control-Allow-Headers', 'Authorization, Content-Type')
      ctx.set('Access-Control-Max-Age', '3600')
      ctx.status = 204
      return
    }
    try {
      await next()
    } catch (error) {
      if (isDomainError(error, 'registration_token_invalid')) {
        // RFC 6750 §3: no error code if no token was sent.
        const had = callerOf(ctx).token !== undefined
        ctx.set('WWW-Authenticate', had ? 'Bearer error="invalid_token"' : 'Bearer')
      }
      throw error
    }
  }
  router.use([routes.registration, at], openToAll)

  const show = (ctx: Context, registered: Registered) => {
    ctx.body = {
      client_id: registered.clientId,
      client_id_issued_at: Math.floor(registered.registeredAt / 1000),
      ...(registered.clientSecret === undefined
        ? {}
        : { client_secret: registered.clientSecret, client_secret_expires_at: 0 }),
      ...registered.metadata,
      registration_client_uri: `${issuer}${routes.registration}/${registered.clientId}`,
      registration_access_token: registered.registrationAccessToken,
    }
  }
  const idOf = (ctx: { params: Record<string, string> }) => ctx.params['id'] as string

  router.options([routes.registration, at], () => undefined)
  router.post(routes.registration, async (ctx) => {
    const body = await readMetadata(ctx, config.bodyLimit)
    show(ctx, await registrations.register(tenant, body, callerOf(ctx)))
    ctx.status = 201
  })
  router.get(at, async (ctx) =>
    show(ctx, await registrations.read(tenant, idOf(ctx), callerOf(ctx))),
  )
  router.put(at, async (ctx) => {
    const body = await readMetadata(ctx, config.bodyLimit)
    show(ctx, await registrations.replace(tenant, idOf(ctx), body, callerOf(ctx)))
  })
  router.delete(at, async (ctx) => {
    await registrations.delete(tenant, idOf(ctx), callerOf(ctx))
    ctx.status = 204
  })
  return router.routes() as unknown as Middleware
}

/**
 * Reads client metadata.
 * @param limit bytes
 * @throws DomainError `body_too_large`; `client_metadata_invalid` for anything but a JSON object
 */
async function readMetadata(ctx: Context, limit: number): Promise<Record<string, unknown>> {
  const refuse = (came: string) =>
    new DomainError('client_metadata_invalid', {
      publicMessage: `The body must be a JSON object with content type application/json; ${came}.`,
      detail: { expected: 'a JSON object', received: came },
    })
  if (!ctx.is('application/json')) throw refuse('the content type is different')
  // Replaces what Postgres cannot store in a text: U+0000 and lone surrogates.
  const text = (await readText(ctx, limit)).replaceAll('\\u0000', '\\uFFFD')
  let value: unknown
  try {
    value = JSON.parse(text, (_name, each: unknown) =>
      typeof each === 'string' ? each.toWellFormed() : each,
    )
  } catch {
    throw refuse('it is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse('it is JSON, but not an object')
  }
  if (!isStorable(value)) throw refuse(`a name in it ${storableRule}`)
  return value as Record<string, unknown>
}

/** A malformed Authorization header counts as a wrong token; only a missing one counts as none (security class C16). */
function callerOf(ctx: Context): Caller {
  const header = ctx.get('authorization')
  const [, token = ''] = /^Bearer +([\w.~+/=-]{1,500})$/i.exec(header) ?? []
  const userAgent = ctx.get('user-agent')
  return {
    token: header === '' ? undefined : token,
    ip: ctx.ip,
    ...(userAgent === '' ? {} : { userAgent: userAgent.slice(0, 200) }),
  }
}
