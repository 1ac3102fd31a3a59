import type { EventEmitter } from 'node:events'
import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Log } from '../log.ts'
import { isRefusedJwt } from './structured-endpoints.ts'

/** The engine's events for a request that it refused; each names the endpoint. */
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

interface EngineError extends Error {
  error_description?: string
  /** What was expected and what came; never sent. */
  error_detail?: string
}

/** Logs every refusal with the id that the caller was shown and the check that failed (architecture §11). */
export function logRefusals(
  provider: Provider,
  log: Log,
  requestIdOf: (ctx: object) => string,
  reportFault: (ctx: object, error: Error) => void,
): void {
  const describe = (ctx: KoaContextWithOIDC, error: EngineError) => ({
    request_id: requestIdOf(ctx),
    endpoint: ctx.oidc?.route,
    client_id: ctx.oidc?.client?.clientId ?? ctx.oidc?.params?.['client_id'],
    error: error.message,
    reason: error.error_detail ?? error.error_description,
  })
  /** A client asks until its person has decided. */
  const isWaiting = ({ message }: EngineError) =>
    message === 'authorization_pending' || message === 'slow_down'
  const events: EventEmitter = provider
  for (const event of refusalEvents) {
    events.on(event, (ctx: KoaContextWithOIDC, error: EngineError) => {
      if (isRefusedJwt(error)) return
      log[isWaiting(error) ? 'debug' : 'info'](describe(ctx, error), 'request refused')
    })
  }
  provider.on('server_error', (ctx, error) => {
    log.debug(describe(ctx, error), 'the engine failed')
    reportFault(ctx, error)
  })
}
