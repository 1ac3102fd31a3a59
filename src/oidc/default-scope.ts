import type { Middleware } from 'koa'
import { clientMetadata } from '../clients/client.ts'
import type { IssuerContext } from './capabilities.ts'
import { routes } from './routes.ts'

const isOpenid = (scope: string) => scope.split(' ').includes('openid')

/**
 * An authorization request without `scope` asks for the scope that its client registered, or for `openid`
 * (RFC 6749 §3.3: the documented default; K-01). A `nonce` beside a default without `openid` means nothing and is
 * ignored; the engine would refuse it.
 */
export function defaultScope({ tenant, clients }: IssuerContext): Middleware {
  return async (ctx, next) => {
    const { scope, client_id: clientId } = ctx.query
    const applies = ctx.path === routes.authorization && ctx.method === 'GET'
    if (applies && !scope && typeof clientId === 'string') {
      const client = await clients.find(tenant, clientId)
      const registered = clientMetadata.safeParse(client?.metadata).data?.scope
      const { nonce, ...query } = ctx.query
      const usesNonce = nonce !== undefined && isOpenid(registered ?? 'openid')
      ctx.query = {
        ...query,
        scope: registered ?? 'openid',
        ...(usesNonce ? { nonce } : {}),
      }
    }
    return next()
  }
}
