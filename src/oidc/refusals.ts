import type { EventEmitter } from 'node:events'
import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { DomainError } from '../errors.ts'
import { mask } from '../refusals/mask.ts'
import { ofRefreshTokens, receivedOf } from '../refusals/named-family.ts'
import type { IssuerContext } from './capabilities.ts'
import { answeredCode } from './error-codes.ts'
import { type EngineError, refusedCheck } from './refused-checks.ts'
import { refusedValues, shownClient } from './refused-values.ts'
import { isRefusedJwt } from './structured-endpoints.ts'

/** The engine's events for refused requests; each names the endpoint. */
const refusalEvents = [
  'authorization.error',
  'pushed_authorization_request.error',
  'grant.error',
  'userinfo.error',
  'introspection.error',
  'revocation.error',
  'device_authorization.error',
  'device_resume.error',
  'backchannel_authentication.error',
  'end_session.error',
  'end_session_confirm.error',
  'end_session_success.error',
  'jwks.error',
  'discovery.error',
] as const

/**
 * Logs every refusal with the id that the caller was shown and the check that failed (architecture §11), and stores it,
 * so that it can be explained later. Also logs why an answer could not be written.
 */
export function logRefusals(
  provider: Provider,
  { log, tenant, refusals, families }: IssuerContext,
  requestIdOf: (ctx: object) => string,
  reportFault: (ctx: object, error: Error) => void,
): void {
  const describe = (ctx: KoaContextWithOIDC, error: EngineError) => ({
    request_id: requestIdOf(ctx),
    endpoint: ctx.oidc?.route,
    client_id: shownClient(ctx),
    check: refusedCheck(error, ctx.oidc?.route, ctx.oidc?.params?.['grant_type']),
    error: answeredCode(ctx, error),
    reason: error.error_detail ?? error.error_description,
  })
  function keep(ctx: KoaContextWithOIDC, described: ReturnType<typeof describe>): void {
    const { request_id: id, endpoint, check, error, reason } = described
    const clientId = ctx.oidc?.client?.clientId
    const accountId = ctx.oidc?.session?.accountId
    refusals.note(
      { id, tenant, endpoint, check, error, reason, clientId, accountId, ip: ctx.ip },
      () => ({
        ...refusedValues(check, ctx),
        ...(ofRefreshTokens.has(check) ? familyOf(ctx) : {}),
      }),
    )
  }
  /** The explanation of a refused refresh includes what happened to the family. */
  function familyOf({ oidc }: KoaContextWithOIDC): { received?: string } {
    const token = oidc.params?.['refresh_token']
    const named = typeof token === 'string' ? families.namedBy(token) : undefined
    return named === undefined ? {} : { received: receivedOf(mask(token), named) }
  }
  /** Not a refusal worth storing: a client polls until its person has decided. */
  const isWaiting = ({ message }: EngineError) =>
    message === 'authorization_pending' || message === 'slow_down'
  const events: EventEmitter = provider
  for (const event of refusalEvents) {
    events.on(event, (ctx: KoaContextWithOIDC, error: EngineError) => {
      if (isRefusedJwt(error)) return
      // The engine takes our own error for a wrong signature; it must not count as guessing.
      if (error.cause instanceof DomainError) {
        ctx.body = null
        reportFault(ctx, error.cause)
        return
      }
      const described = describe(ctx, error)
      log[isWaiting(error) ? 'debug' : 'info'](described, 'request refused')
      if (!isWaiting(error)) keep(ctx, described)
    })
  }
  provider.on('server_error', (ctx, error) => {
    log.debug(describe(ctx, error), 'the engine failed')
    reportFault(ctx, isUnreadable(ctx, error) ? unreadable(error) : error)
  })
  // Without one that listens, Koa writes a stack to stderr.
  events.on('error', (error: Error & { code?: unknown }, ctx: object) => {
    const line = { request_id: requestIdOf(ctx), err: error }
    if (callerHasGone.has(error.code))
      log.debug(line, 'the client disconnected before the response was written')
    else log.error(line, 'response not written')
  })
}

/**
 * The engine copies what a request object says, as texts, before it looks at its signature, or asks us
 * (request-object.ts): it may be nested too deep, or have a member `toString` that is no function.
 */
const isUnreadable = ({ oidc }: KoaContextWithOIDC, error: Error) =>
  oidc?.params?.['request'] !== undefined &&
  ((error instanceof RangeError &&
    error.message === 'Maximum call stack size exceeded' &&
    /^\s+at (structuredClone|JSON\.stringify) /m.test(error.stack ?? '')) ||
    (error instanceof TypeError && error.message === 'Cannot convert object to primitive value'))

const unreadable = (cause: Error) =>
  new DomainError('parameter_malformed', {
    detail: 'the request object is nested too deeply, or one of its members is not a string',
    cause,
  })

const callerHasGone: ReadonlySet<unknown> = new Set(['EPIPE', 'ECONNRESET'])
