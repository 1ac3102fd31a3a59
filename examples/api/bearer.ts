import type { Middleware } from 'koa'
import { type AuthorizationServer, TokenRefused } from './authorization-server.ts'

/** Who is calling, as the token says. */
export interface Caller {
  /** The person; for a machine the client itself. */
  subject: string
  clientId: string
}

/**
 * Lets a request through that has a token with this scope (RFC 6750).
 * `check: 'offline'` goes by signature and expiry; `'online'` asks the authorization server as well, for what must not
 * happen once a token was revoked.
 *
 * | what came                        | answer                   |
 * |----------------------------------|--------------------------|
 * | no token                         | 401, no error code       |
 * | a header that is no bearer token | 400 `invalid_request`    |
 * | not valid, expired, revoked      | 401 `invalid_token`      |
 * | valid, without the scope         | 403 `insufficient_scope` |
 * | nobody could be asked            | 503                      |
 */
export function bearer(
  server: AuthorizationServer,
  { scope, check }: { scope: string; check: 'offline' | 'online' },
): Middleware<{ caller: Caller }> {
  return async (ctx, next) => {
    /** RFC 6750 §3: the challenge says what is wrong, in ASCII without quotes. */
    const refuse = (status: number, error?: string, description?: string) => {
      const words = ['realm="orders"']
      if (error) words.push(`error="${error}"`, `error_description="${description}"`)
      if (status === 403) words.push(`scope="${scope}"`)
      ctx.set('WWW-Authenticate', `Bearer ${words.join(', ')}`)
      ctx.status = status
      ctx.body = { error: error ?? 'unauthorized', error_description: description }
    }

    // The header is the only way: a token in the address ends up in logs (RFC 9700 §4.3.2).
    const header = ctx.get('Authorization')
    if (header === '') return refuse(401, undefined, 'an access token is needed')
    const [, token] = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i.exec(header) ?? []
    if (token === undefined) return refuse(400, 'invalid_request', 'expected one bearer token')

    try {
      const claims = await server.verify(token)
      const { scope: granted } = claims
      if (typeof granted !== 'string' || !granted.split(' ').includes(scope)) {
        return refuse(403, 'insufficient_scope', `this needs the scope ${scope}`)
      }
      if (check === 'online' && !(await server.isActive(token))) {
        return refuse(401, 'invalid_token', 'the token was revoked')
      }
      ctx.state.caller = { subject: String(claims.sub), clientId: String(claims['client_id']) }
    } catch (error) {
      if (error instanceof TokenRefused) {
        return refuse(401, 'invalid_token', error.message.replaceAll('"', "'"))
      }
      // Not knowing is not a yes.
      console.error('api: the authorization server did not answer:', error)
      ctx.set('Retry-After', '2')
      ctx.status = 503
      ctx.body = { error: 'temporarily_unavailable' }
      return
    }
    await next()
  }
}
