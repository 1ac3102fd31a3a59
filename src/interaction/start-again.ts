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

/** Milliseconds: a page that was left open overnight still says where it came from. */
const life = 24 * 3600 * 1000

/**
 * An interaction that is over, or lost, no longer says whose it was; a cookie of its address does. Whoever was on the way
 * to the account page begins anew there. Others get a link to where their application has declared that sign-ins begin
 * (OpenID Connect Core §4), or to its home page: never for one that registered itself.
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
    /** Around the pages of interactions. */
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
