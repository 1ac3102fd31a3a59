import type { Middleware } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { IssuerContext } from './capabilities.ts'
import { routes } from './routes.ts'

/** Notes when self-registered clients are used. A failure does not take back the token that was issued. */
export function noteRegisteredUse({
  tenant,
  clients,
  registrations,
  log,
}: IssuerContext): Middleware {
  return async (ctx, next) => {
    await next()
    if (ctx.path !== routes.token || ctx.status !== 200) return
    const clientId = (ctx as KoaContextWithOIDC).oidc?.client?.clientId
    if (clientId === undefined) return
    try {
      const client = await clients.find(tenant, clientId)
      if (client?.selfRegistered) await registrations.noteUse(tenant, clientId)
    } catch (error) {
      log.warn({ err: error, client_id: clientId, tenant }, 'use of a client not recorded')
    }
  }
}
