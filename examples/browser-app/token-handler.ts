import { createHash } from 'node:crypto'
import Router from '@koa/router'
import { decodeJwt } from 'jose'
import type { Context, Middleware } from 'koa'
import type { TokenEndpointResponse } from 'openid-client'
import { createClient, type SignIn } from './client.ts'
import { sealedCookie } from './cookies.ts'
import type { Settings } from './settings.ts'

/** The content of the encrypted cookie: neither the page nor anyone who copies the cookie can read it. */
interface Held {
  refreshToken: string
  /** Verified when it was received. For the page, and as `id_token_hint` to sign out. */
  idToken: string
}

/**
 * The token handler (backend for frontend): keeps the refresh token and gives access tokens to the page.
 *
 * | route              | called by         | does                                               |
 * |--------------------|-------------------|----------------------------------------------------|
 * | GET /bff/sign-in   | a link            | redirects to the authorization server              |
 * | GET /bff/callback  | the redirect back | redeems the code, sets the cookie                  |
 * | POST /bff/token    | the page, often   | refreshes; returns an access token for its memory  |
 * | POST /bff/revoke   | the page          | revokes the tokens                                 |
 * | POST /bff/sign-out | the page          | revokes them; returns where to sign out everywhere |
 */
export function tokenHandler(settings: Settings): Router {
  const { baseUrl, cookieKey: key } = settings
  const secure = baseUrl.protocol === 'https:'
  const client = createClient(settings)
  // Strict: only requests from our own pages carry it, and only those need it.
  const held = sealedCookie<Held>('browser-app', {
    key,
    secure,
    sameSite: 'strict',
    lifetime: 30 * 86_400,
  })
  // Lax, since the redirect back comes from another site. One cookie per sign-in, as several tabs may sign in at once.
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
      // The response counts only in the browser that began the sign-in: otherwise an attacker could sign the victim in
      // as somebody else (login CSRF).
      if (!signIn) throw new Error('the sign-in was not started in this browser, or too long ago')
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
    // OpenID Connect Core §12.2: a refresh must not change the `sub`.
    if (tokens.id_token && decodeJwt(tokens.id_token).sub !== decodeJwt(before.idToken).sub) {
      throw new Error('the refresh returned tokens of another user')
    }
    // Two tabs may refresh with the same token: the authorization server gives both the same answer, so it does not
    // matter whose cookie is written last.
    const { refreshToken, idToken } = await hold(ctx, tokens, before)
    ctx.body = {
      access_token: tokens.access_token,
      expires_in: tokens.expires_in,
      claims: decodeJwt(idToken),
      // Lets the page show that it changed; the same name as in `families show`. It grants nothing.
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
    // The tokens end here, even if the user does not go on to sign out at the authorization server.
    if (session) await client.revoke(session.refreshToken)
    ctx.body = { location: session ? (await client.signOut(session.idToken)).href : '/' }
  })

  return router
}

/**
 * Against cross-site request forgery. The cookie is Strict, but all hosts of our domain count as the same site. So the
 * request must come from our exact origin, which browsers report and pages cannot forge. It must also have a custom
 * header, which no form can send, and which other origins may send only if CORS allows it.
 */
function onlyOwnPage(baseUrl: URL): Middleware {
  return (ctx, next) => {
    if (ctx.get('Origin') !== baseUrl.origin || ctx.get('X-Token-Handler') !== '1') {
      ctx.throw(403, 'the request does not come from this app')
    }
    return next()
  }
}

const nameOf = (refreshToken: string) =>
  createHash('sha256').update(refreshToken).digest('base64url').slice(0, 10)
