import type { Context, Middleware } from 'koa'
import { checkedMetadata } from '../clients/client.ts'
import { isDomainError } from '../errors.ts'
import { seeOther } from '../http/answer.ts'
import { accountClientId } from '../oidc/account-client.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { ownAddress } from './pages/layout.ts'
import { safeUrl } from './pages/parts.ts'
import type { PageParts } from './parts.ts'
import { interactionAddress } from './posted.ts'

/** Milliseconds: a page left open overnight still knows its client. */
const life = 24 * 3600 * 1000

/**
 * An interaction that is over or lost no longer names its client; a cookie of its path does. On the way to the account
 * page it starts again. Otherwise the error page links to where the client has declared that sign-ins begin (OpenID
 * Connect Core §4), or to its home page; never for a self-registered client.
 */
export function createStartAgain(parts: PageParts) {
  const { tenant, issuer, basePath, clientDocuments, pageContext } = parts
  const { name, secure } = parts.clientCookie
  const at = interactionAddress(basePath)

  async function beginningOf(clientId: string): Promise<string | undefined> {
    const client = await clientDocuments.find(tenant, clientId)
    if (!client || client.selfRegistered) return undefined
    const { initiate_login_uri, client_uri } = checkedMetadata(client).data ?? {}
    const login = safeUrl(initiate_login_uri)
    login?.searchParams.set('iss', issuer)
    return (login ?? safeUrl(client_uri))?.href
  }

  return {
    keep(ctx: Context, { uid, clientId }: Interaction): void {
      const options = { httpOnly: true, sameSite: 'lax', signed: true, secure } as const
      const value = encodeURIComponent(clientId)
      ctx.cookies.set(name, value, { ...options, path: at(uid), maxAge: life })
    },
    /** Middleware around the pages of interactions. */
    offer: (async (ctx, next) => {
      try {
        await next()
      } catch (error) {
        const value = ctx.cookies.get(name, { signed: true })
        if (!value || !isDomainError(error, 'interaction_not_found')) throw error
        const clientId = decodeURIComponent(value)
        if (clientId === accountClientId)
          return seeOther(ctx, ownAddress(pageContext(ctx), '/account'))
        ctx.state['startAgain'] = await beginningOf(clientId)
        throw error
      }
    }) satisfies Middleware,
  }
}
