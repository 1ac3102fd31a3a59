import type Router from '@koa/router'
import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { ClientMetadata } from '../clients/client.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { describeAccess } from '../interaction/access.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import {
  type RequestLine,
  type RequestResultView,
  requestPage,
  requestResultPage,
} from '../interaction/pages/request.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { WaitingRequest } from '../oidc/backchannel-decision.ts'
import { present } from '../present.ts'

export const requestMethods = {
  '/account/requests/:id': ['GET', 'HEAD', 'POST'],
  '/account/requests/:id/logo': ['GET', 'HEAD'],
}

/** The id of a request in a URL: the SHA-256 of its `auth_req_id`. */
export const requestIdPattern = /^[\w-]{43}$/

const pathOf = (id: string) => `/account/requests/${id}`

/**
 * Answering a backchannel authentication request (OpenID CIBA Core 1.0):
 *
 * | state | event                                   | next                                 |
 * |-------|-----------------------------------------|--------------------------------------|
 * | any   | no one is signed in                     | sign-in, then this request           |
 * | any   | decided, expired, or another account's  | over                                 |
 * | open  | signed in too long ago (`max_age`), or  | sign-in again, then this request     |
 * |       | without the factor that is required     |                                      |
 * | open  | a factor is required, and there is none | adding one                           |
 * | open  | deny, or anything but allow             | denied                               |
 * | open  | allow                                   | allowed                              |
 *
 * @param signIn redirects to the sign-in and back to a request; if asked to, even when a user is signed in
 */
export function requestRoutes(
  router: Router,
  parts: PageParts,
  signIn: (ctx: Context, id: string, onceMore: boolean) => string,
) {
  const { tenant, config, csrf, session, clients, decisions, pageContext, showLogo } = parts
  const formOf = (uid: string, id: string) => `request ${uid} ${id}`

  async function clientOf({ clientId }: WaitingRequest): Promise<ClientMetadata> {
    const metadata = await clients.metadata(tenant, clientId)
    if (!metadata) throw new Error(`client ${clientId} does not exist, or is not valid`)
    return metadata
  }

  const wayTo = (ctx: Context, id: string, needed: 'sign_in' | 'factor') =>
    needed === 'sign_in' ? signIn(ctx, id, true) : ownAddress(pageContext(ctx), '/account/factors')

  function showOutcome(ctx: Context, outcome: RequestResultView['outcome']): void {
    const page = pageContext(ctx)
    showPage(
      ctx,
      requestResultPage(page, { outcome, account: { href: ownAddress(page, '/account') } }),
      outcome === 'over' ? 400 : 200,
    )
  }

  router.get('/account/requests/:id', async (ctx) => {
    const id = ctx.params['id'] as string
    const found = await session.find(ctx)
    if (!found) return seeOther(ctx, signIn(ctx, id, false))
    const { account, uid } = found
    const request = await decisions.find(account.id, id)
    if (!request) return showOutcome(ctx, 'over')
    const needed = await decisions.needs(ctx, account.id, id)
    if (needed) return seeOther(ctx, wayTo(ctx, id, needed))
    const page = pageContext(ctx)
    const client = await clientOf(request)
    const { bindingMessage, requested, wanted, askedAt, expiresAt, askedFrom } = request
    showPage(
      ctx,
      requestPage(page, {
        action: ownAddress(page, pathOf(id)),
        csrf: csrf.token(formOf(uid, id)),
        client: {
          name: client.client_name ?? client.client_id,
          clientId: client.client_id,
          ...present({ uri: client.client_uri }),
          ...(client.logo_uri === undefined
            ? {}
            : { logoUrl: ownAddress(page, `${pathOf(id)}/logo`) }),
        },
        account: { name: account.name ?? account.email, email: account.email },
        ...present({ bindingMessage }),
        askedAt,
        expiresAt,
        askedFrom: askedFrom.ip ?? '',
        ...(await describeAccess(parts, requested, wanted.openidClaims, page.messages)),
      }),
    )
  })

  router.post('/account/requests/:id', async (ctx) => {
    const id = ctx.params['id'] as string
    const form = await readForm(ctx, config.bodyLimit)
    const found = await session.find(ctx)
    if (!found) return seeOther(ctx, signIn(ctx, id, false))
    const { account, uid } = found
    csrf.check(ctx, formOf(uid, id), form['csrf'])
    if (form['decision'] !== 'allow') {
      return showOutcome(ctx, (await decisions.deny(ctx, account.id, id)) ? 'denied' : 'over')
    }
    const needed = await decisions.needs(ctx, account.id, id)
    if (needed) return seeOther(ctx, wayTo(ctx, id, needed))
    return showOutcome(ctx, (await decisions.allow(ctx, account.id, id)) ? 'allowed' : 'over')
  })

  // The client is taken from the request, so that nobody can make this server fetch pictures of their choice.
  router.get('/account/requests/:id/logo', async (ctx) => {
    const found = await session.find(ctx)
    const request = found && (await decisions.find(found.account.id, ctx.params['id'] as string))
    await showLogo(ctx, request && (await clientOf(request)).logo_uri)
  })

  /** The pending requests of a person, for the account page. */
  return async function waiting(ctx: Context, { id: accountId }: Account): Promise<RequestLine[]> {
    const page = pageContext(ctx)
    const lines: RequestLine[] = []
    for (const request of await decisions.waiting(accountId)) {
      const { client_name, client_id } = await clientOf(request)
      lines.push({
        href: ownAddress(page, pathOf(request.id)),
        clientName: client_name ?? client_id,
        askedAt: request.askedAt,
        ...present({ bindingMessage: request.bindingMessage }),
      })
    }
    return lines
  }
}
