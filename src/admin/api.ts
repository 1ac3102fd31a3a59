import type { Context, Middleware } from 'koa'
import { DomainError, isDomainError } from '../errors.ts'
import { showPage } from '../http/answer.ts'
import { readJson } from '../http/body.ts'
import { checked, invalidRequest, readQuery } from '../http/checked.ts'
import { assertMatches, etagOf, isNamed } from '../http/etag.ts'
import { requestIdOf } from '../http/request.ts'
import type { KeptAnswer } from '../idempotency/idempotency.ts'
import type { PageContext } from '../interaction/pages/layout.ts'
import { noteDomainError } from '../interaction/refusals.ts'
import { type ApiParts, createTokenCheck } from '../oidc/presented-token.ts'
import { presenterOf } from '../oidc/token-request.ts'
import { currentOrigin, withOrigin } from '../origin.ts'
import { adminPath } from '../resources/admin-resource.ts'
import { everywhere, type Permission } from '../roles/role.ts'
import { assertPermitted, type Caller, callerOf } from './caller.ts'
import { createMatching, type Match } from './matching.ts'
import { openApiOf } from './openapi.ts'
import { answerProblem } from './problem.ts'
import { referencePage } from './reference.page.ts'
import type { Call, Route } from './route.ts'
import { routes } from './routes.ts'

const match = createMatching(routes)

interface Parts extends ApiParts {
  pageContext(ctx: Context): PageContext
}

/**
 * The admin API, at the issuer of the default tenant. Each step may rely on those above it.
 *
 * | step                                                   | refused with                                  |
 * |--------------------------------------------------------|-----------------------------------------------|
 * | the route exists                                       | 404, 405                                      |
 * | the access token (presented-token.ts)                  | 401; 429 for too many wrong ones of a network |
 * | the rate limit of the caller                           | 429                                           |
 * | scope, role and reach (caller.ts)                      | 403, 404                                      |
 * | query and body                                         | 400, 413, 415                                 |
 * | the tenant exists                                      | 404                                           |
 * | `Idempotency-Key`; `If-Match`, with the row locked     | 409, 422; 412, 428                            |
 * | the work, and its audit event, in the same transaction | as docs/errors.md says                        |
 */
export function adminApi(parts: Parts): Middleware {
  const { context } = parts
  const { log, config } = context
  /** Created on first use: it takes as long as all other computation of a start. */
  let document: ReturnType<typeof openApiOf> | undefined
  const documented = () => (document ??= openApiOf(routes, config.issuer))
  const audience = config.issuer + adminPath
  const checkToken = createTokenCheck(parts, {
    endpoint: 'admin',
    audience,
    limit: 'admin_network',
  })

  async function callerIn(ctx: Context): Promise<Caller> {
    const { limiter, tenant } = context
    const caller = await callerOf(context.roles, await checkToken(ctx))
    ctx.state['caller'] = caller
    const subject = JSON.stringify(caller.subject)
    await limiter.take(tenant, { limit: 'admin_caller', subject })
    return caller
  }

  async function callOf(
    ctx: Context,
    { route, params }: Match,
    permission: Permission,
  ): Promise<Call> {
    const { tenant, ...others } = params
    const caller = await callerIn(ctx)
    const where = route.anywhere ? undefined : (tenant ?? everywhere)
    const role = assertPermitted(caller, permission, where)
    const query = readQuery(ctx)
    if (!route.query && Object.keys(query).length > 0)
      throw invalidRequest('query: expected no parameters')
    const call: Call = {
      core: context,
      address: ctx.path,
      tenant: tenant ?? context.tenant,
      params: others,
      query: route.query && checked(route.query, query),
      body: await bodyOf(ctx, route),
      caller,
      actor: { by: 'operator', ...presenterOf(ctx) },
      operator: {
        ...('accountId' in caller.subject
          ? { kind: 'account', id: caller.subject.accountId }
          : { kind: 'client', id: caller.subject.clientId }),
        role,
      },
      current: undefined,
    }
    const known = tenant === undefined || (await context.tenants.view(tenant)) !== undefined
    if (!known) throw new DomainError('not_found', { detail: { tenant } })
    return call
  }

  async function bodyOf(ctx: Context, route: Route): Promise<unknown> {
    if (route.body) return checked(route.body, await readJson(ctx, config.bodyLimit))
    if ((ctx.request.length ?? 0) > 0 || ctx.get('transfer-encoding'))
      throw invalidRequest('body: expected no body')
    return undefined
  }

  /** Records a write that has no audit event of its own; in the same transaction. */
  async function record(ctx: Context, { route, params }: Match, call: Call): Promise<void> {
    const { client_id: clientId, account_id: accountId } = params
    await context.audit.record(call.tenant, {
      type: 'admin.changed',
      clientId,
      accountId,
      detail: {
        by: { ...call.caller.subject, through: call.caller.clientId },
        route: `${route.method} ${route.path}`,
        params,
        members:
          typeof call.body === 'object' && call.body !== null ? Object.keys(call.body) : undefined,
        request_id: requestIdOf(ctx),
      },
    })
  }

  async function work(ctx: Context, found: Match, call: Call, ready: unknown): Promise<KeptAnswer> {
    const { route } = found
    if (route.current && route.method !== 'GET' && route.method !== 'POST') {
      const current = await route.current(call as never, true)
      if (!current) throw new DomainError('not_found')
      assertMatches(ctx.get('if-match'), etagIn(current))
      call.current = current
    }
    const events: string[] = []
    const body = await withOrigin({ ...currentOrigin(), events }, () =>
      route.handle(call as never, ready as never),
    )
    if (route.method !== 'GET' && events.length === 0) await record(ctx, found, call)
    const status = route.response ? (route.status ?? 200) : 204
    const shown =
      route.method === 'GET' ? body : body && (await route.current?.(call as never, false))
    const headers: Record<string, string> = route.current && shown ? { ETag: etagIn(shown) } : {}
    return { status, headers, body }
  }

  async function answerOf(ctx: Context, found: Match, permission: Permission): Promise<KeptAnswer> {
    const call = await callOf(ctx, found, permission)
    const { operator } = call
    return withOrigin({ ...currentOrigin(), operator }, () => answerTo(ctx, found, call))
  }

  async function answerTo(ctx: Context, found: Match, call: Call): Promise<KeptAnswer> {
    const { route } = found
    const ready: unknown = await route.prepare?.(call as never)
    const doWork = () => work(ctx, found, call, ready)
    if (route.method === 'GET') return doWork()
    const key = ctx.get('idempotency-key')
    if (key === '') return route.ownTransactions ? doWork() : context.database.transaction(doWork)
    if (key.length > 255) {
      throw invalidRequest('Idempotency-Key: expected at most 255 characters')
    }
    const { once, onceApart } = context.idempotency
    return (route.ownTransactions ? onceApart : once)(
      {
        tenant: context.tenant,
        caller: JSON.stringify(call.caller.subject),
        key,
        request: JSON.stringify([
          route.method,
          ctx.path,
          ctx.querystring,
          call.body,
          ctx.get('if-match'),
        ]),
      },
      doWork,
    )
  }

  async function answer(ctx: Context): Promise<void> {
    // The reference page for people: the OpenAPI document in readable form.
    if (ctx.path === `${adminPath}/` && (ctx.method === 'GET' || ctx.method === 'HEAD')) {
      showPage(ctx, referencePage(parts.pageContext(ctx), documented(), audience))
      return
    }
    const found = match(ctx.method, ctx.path.slice(adminPath.length))
    const { permission } = found.route
    if (permission === 'public') {
      ctx.body = documented()
      return
    }
    const { status, headers, body } = await answerOf(ctx, found, permission)
    ctx.status = status
    ctx.set(headers)
    const etag = found.route.method === 'GET' ? headers['ETag'] : undefined
    if (etag !== undefined && isNamed(ctx.get('if-none-match'), etag)) {
      ctx.status = 304
      return
    }
    if (body !== undefined) ctx.body = body
  }

  return async (ctx, next) => {
    // The API's identifier has no slash; people copy it from the `resource` of their token.
    if (ctx.path === adminPath && (ctx.method === 'GET' || ctx.method === 'HEAD')) {
      ctx.status = 308
      return ctx.redirect(`${parts.basePath}${adminPath}/`)
    }
    if (!ctx.path.startsWith(`${adminPath}/`)) return next()
    try {
      await answer(ctx)
    } catch (error) {
      if (isDomainError(error, 'method_not_allowed') && typeof error.detail === 'object') {
        ctx.set('Allow', String(error.detail['expected']))
      }
      const caller = ctx.state['caller'] as Caller | undefined
      noteDomainError(context, ctx, answerProblem(ctx, error, config.issuer, log), 'admin', {
        clientId: caller?.clientId,
        ...(caller && 'accountId' in caller.subject ? caller.subject : {}),
      })
    }
  }
}

/** The ETag of a representation. */
const etagIn = (representation: object) => etagOf(JSON.stringify(representation))
