import { createHash } from 'node:crypto'
import Router from '@koa/router'
import { decodeJwt } from 'jose'
import type { Context, Middleware } from 'koa'
import type { TokenEndpointResponse } from 'openid-client'
import { createClient, type SignIn } from './client.ts'
import { sealedCookie } from './cookies.ts'
import type { Settings } from './settings.ts'

/** What stays with the browser, sealed: the page cannot read it, and neither can anybody who copies the cookie. */
interface Held {
  refreshToken: string
  /** Verified when it came. For the page, and for signing out, as `id_token_hint`. */
  idToken: string
}

/**
 * The token handler (backend for frontend): it holds the refresh token, and gives the page access tokens.
 *
 * | route              | called by        | does                                                   |
 * |--------------------|------------------|--------------------------------------------------------|
 * | GET /bff/sign-in   | a link           | leads to the authorization server                      |
 * | GET /bff/callback  | the way back     | redeems the code, sets the cookie                      |
 * | POST /bff/token    | the page, often  | refreshes; the access token for the page's memory      |
 * | POST /bff/revoke   | the page         | ends the family                                        |
 * | POST /bff/sign-out | the page         | ends the family, says where to sign out of everything  |
 */
export function tokenHandler(settings: Settings): Router {
  const { baseUrl, cookieKey: key } = settings
  const secure = baseUrl.protocol === 'https:'
  const client = createClient(settings)
  // Strict: only requests from our own pages have it, and those are the only ones that need it.
  const held = sealedCookie<Held>('browser-app', {
    key,
    secure,
    sameSite: 'strict',
    lifetime: 30 * 86_400,
  })
  // Lax, as the way back from the authorization server begins at another site. A name for each, as tabs may be at it at
  // the same time.
  const signInCookie = (state: string) =>
    sealedCookie<SignIn>(`browser-app-${state.replaceAll(/[^\w-]/g, '').slice(0, 12)}`, {
      key,
      secure,
      sameSite: 'lax',
      lifetime: 600,
    })

  async function hold(ctx: Context, tokens: TokenEndpointResponse, before?: Held): Promise<Held> {
    const refreshToken = tokens.refresh_token ?? before?.refreshToken
    const idToken = tokens.id_token ?? before?.idToken
    if (refreshToken === undefined || idToken === undefined) throw new Error('tokens are missing')
    await held.write(ctx, { refreshToken, idToken })
    return { refreshToken, idToken }
  }

  const router = new Router({ prefix: '/bff' })

  router.get('/sign-in', async (ctx) => {
    const { url, signIn } = await client.begin()
    await signInCookie(signIn.state).write(ctx, signIn)
    ctx.redirect(url.href)
  })

  router.get('/callback', async (ctx) => {
    const cookie = signInCookie(String(ctx.query['state']))
    const signIn = await cookie.read(ctx)
    cookie.clear(ctx)
    try {
      // The answer counts only in the browser that asked: else somebody could be signed in as somebody else.
      if (!signIn) throw new Error('not begun in this browser, or too long ago')
      const tokens = await client.finish(new URL(ctx.url, baseUrl), signIn)
      await hold(ctx, tokens)
      ctx.redirect('/')
    } catch (error) {
      console.error('browser-app: sign-in failed:', error)
      ctx.redirect('/?refused')
    }
  })

  const own = onlyOwnPage(baseUrl)

  router.post('/token', own, async (ctx) => {
    const before = await held.read(ctx)
    const tokens = before && (await client.refresh(before.refreshToken))
    if (!tokens) {
      held.clear(ctx)
      ctx.status = 401
      ctx.body = { error: before ? 'ended' : 'signed_out' }
      return
    }
    // OpenID Connect Core §12.2: a refresh never brings another person.
    if (tokens.id_token && decodeJwt(tokens.id_token).sub !== decodeJwt(before.idToken).sub) {
      throw new Error('the refresh brought another person')
    }
    // Two tabs may be here with the same refresh token: the authorization server gives both the same answer, so that it
    // does not matter whose cookie is written last.
    const { refreshToken, idToken } = await hold(ctx, tokens, before)
    ctx.body = {
      access_token: tokens.access_token,
      expires_in: tokens.expires_in,
      claims: decodeJwt(idToken),
      // For the page to show that it changed, as `families show` names it. It opens nothing.
      refresh_token_name: nameOf(refreshToken),
    }
  })

  router.post('/revoke', own, async (ctx) => {
    const session = await held.read(ctx)
    if (session) await client.revoke(session.refreshToken)
    ctx.status = 204
  })

  router.post('/sign-out', own, async (ctx) => {
    const session = await held.read(ctx)
    held.clear(ctx)
    // The tokens end here, also if the person does not go on to sign out there.
    if (session) await client.revoke(session.refreshToken)
    ctx.body = { location: session ? (await client.signOut(session.idToken)).href : '/' }
  })

  return router
}

/**
 * Against requests that another site makes in a person's name (CSRF). The cookie is Strict, but every host of our domain
 * counts as the same site. So the request must come from our very origin, which browsers say and pages cannot change,
 * and have a header that no form can send and that no other origin may send without being allowed (CORS).
 */
function onlyOwnPage(baseUrl: URL): Middleware {
  return (ctx, next) => {
    if (ctx.get('Origin') !== baseUrl.origin || ctx.get('X-Token-Handler') !== '1') {
      ctx.throw(403, 'not a request of our own page')
    }
    return next()
  }
}

const nameOf = (refreshToken: string) =>
  createHash('sha256').update(refreshToken).digest('base64url').slice(0, 10)
