import type { Context, Middleware } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { ClientMetadata } from '../clients/client.ts'
import { isTrustedWithErrors } from '../clients/error-trust.ts'
import { routes } from './routes.ts'

/**
 * Answers a log-out without a signed-in person, after the engine has checked client, hint and address. There is nothing
 * to ask and nothing to store; the engine would show a confirmation form, whose token it keeps in a session.
 *
 * Leads directly to the address of a client that an operator vouches for, or that shows its own ID token (ADR 0013):
 * the person was signed in there, and is no longer.
 * @param takeForm removes the engine's form from an answer, and says whether it was one
 */
export function answerLogoutOfNobody(
  issuer: string,
  takeForm: (ctx: Context) => boolean,
): Middleware {
  return async (ctx, next) => {
    await next()
    const { oidc } = ctx as KoaContextWithOIDC
    if (ctx.path !== routes.end_session || oidc?.session?.accountId !== undefined) return
    if (!takeForm(ctx)) return
    const { client, params } = oidc
    const { post_logout_redirect_uri: uri, state } = params ?? {}
    const isVouchedFor = client && isTrustedWithErrors(client.metadata() as ClientMetadata)
    const leaves = typeof uri === 'string' && (isVouchedFor || oidc.entities['IdTokenHint'])
    const address = new URL(leaves ? uri : `${issuer}${routes.end_session}/success`)
    if (leaves && typeof state === 'string') address.searchParams.set('state', state)
    if (!leaves && client) address.searchParams.set('client_id', client.clientId)
    ctx.body = null
    ctx.status = 303
    ctx.redirect(address.href)
  }
}
