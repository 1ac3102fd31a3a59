import { readFile } from 'node:fs/promises'
import Router from '@koa/router'
import Koa, { type Context } from 'koa'
import { calls } from './api.ts'
import { createLogoutTokens, LogoutTokenRefused } from './back-channel.ts'
import { type Client, createClient, isOver } from './client.ts'
import { createCookie, headers, onlyOwnForms, readForm } from './http.ts'
import { faultPage, homePage, welcomePage } from './pages.ts'
import { createSessions, renew, type Session } from './sessions.ts'
import type { Settings } from './settings.ts'
import { createSignIns } from './sign-ins.ts'
import { tellCall, tellRefresh, tellRevoked } from './story.ts'

/** A server-rendered app: a confidential client whose tokens stay on the server. */
export function createApp(settings: Settings): Koa {
  const { baseUrl, apiUrl } = settings
  const client = createClient(settings)
  const sessions = createSessions()
  const signIns = createSignIns()
  const verifyLogoutToken = createLogoutTokens(client, settings)
  const cookie = createCookie('web-app-session', baseUrl)
  const browser = createCookie('web-app-browser', baseUrl)
  const router = new Router()

  const sessionOf = (ctx: Context) => sessions.get(cookie.get(ctx))

  router.get('/', (ctx) => {
    const session = sessionOf(ctx)
    ctx.body = session ? homePage(session) : welcomePage(sessions.farewell(cookie.get(ctx)))
  })

  router.get('/sign-in', async (ctx) => {
    const { url, signIn } = await client.begin()
    browser.set(ctx, signIns.keep(signIn, browser.get(ctx)))
    ctx.redirect(url.href)
  })

  router.get('/callback', async (ctx) => {
    // The response counts only in the browser that began the sign-in: otherwise an attacker could sign the victim in as
    // somebody else (login CSRF).
    const signIn = signIns.take(String(ctx.query['state']), browser.get(ctx))
    if (!signIn) {
      ctx.status = 400
      ctx.body = faultPage(
        'That took too long',
        'This sign-in was not started here, or was already used.',
      )
      return
    }
    try {
      const tokens = await client.finish(new URL(ctx.url, baseUrl), signIn)
      const before = sessionOf(ctx)
      if (before) sessions.end(before, 'You signed in again.')
      cookie.set(ctx, sessions.begin(tokens))
      ctx.redirect('/')
    } catch (error) {
      console.error('web-app: sign-in failed:', error)
      ctx.status = 400
      ctx.body = faultPage('You are not signed in', 'The sign-in was refused or failed.')
    }
  })

  for (const [name, call] of Object.entries(calls)) {
    router.post(`/call/${name}`, (ctx) =>
      act(ctx, async (session) => {
        if (session.expiresAt < Date.now() + 10_000) await refresh(client, session)
        let response = await call(apiUrl, session.accessToken)
        if (response.status === 401) {
          // Revoked, or a clock is wrong. Retries once: if a new token is refused as well, more would not help.
          await refresh(client, session)
          response = await call(apiUrl, session.accessToken)
        }
        await tellCall(session, name, response)
      }),
    )
  }

  router.post('/refresh', (ctx) =>
    act(ctx, async (session) => {
      const before = { ...session }
      await refresh(client, session)
      tellRefresh(session, before)
    }),
  )

  router.post('/revoke', (ctx) =>
    act(ctx, async (session) => {
      await client.revoke(session.refreshToken)
      tellRevoked(session)
    }),
  )

  router.post('/sign-out', async (ctx) => {
    const session = sessionOf(ctx)
    cookie.clear(ctx)
    if (!session) return ctx.redirect('/')
    sessions.end(session, 'You signed out.')
    // The tokens end here, even if the user does not go on to sign out at the authorization server.
    await client.revoke(session.refreshToken)
    ctx.redirect((await client.signOut(session.idToken)).href)
  })

  /** Called by the authorization server, not by a browser. */
  router.post('/backchannel-logout', async (ctx) => {
    const token = (await readForm(ctx.req)).get('logout_token') ?? ''
    try {
      sessions.endAll(
        await verifyLogoutToken(token),
        'Your session was ended at the authorization server.',
      )
      ctx.status = 200
      ctx.body = ''
    } catch (error) {
      if (!(error instanceof LogoutTokenRefused)) throw error
      ctx.status = 400
      ctx.body = { error: 'invalid_request', error_description: error.message }
    }
  })

  router.get('/session', (ctx) => {
    ctx.status = sessionOf(ctx) ? 204 : 401
  })
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'ok' }
  })
  for (const [path, file, type] of files) {
    router.get(path, async (ctx) => {
      ctx.type = type
      ctx.body = await readFile(new URL(file, import.meta.url))
    })
  }

  /** Does something for the signed-in user, and shows the page again. */
  async function act(ctx: Context, work: (session: Session) => Promise<void>): Promise<void> {
    const session = sessionOf(ctx)
    if (session) {
      try {
        await work(session)
      } catch (error) {
        if (!isOver(error)) throw error
        // Revoked, signed out at the authorization server, or expired: the session here is over, too.
        sessions.end(
          session,
          'Your access was ended: it was revoked, and the authorization server gave no new token.',
        )
      }
    }
    // 303: a reload requests the page and does not repeat the action.
    ctx.status = 303
    ctx.redirect('/')
  }

  const app = new Koa()
  app.use(headers(settings))
  app.use(allowed(baseUrl))
  app.use(router.routes())
  app.use(router.allowedMethods())
  return app
}

/** One refresh at a time per session: concurrent requests share it. */
function refresh(client: Client, session: Session): Promise<void> {
  session.refreshing ??= client
    .refresh(session.refreshToken)
    .then((tokens) => renew(session, tokens))
    .finally(() => {
      session.refreshing = undefined
    })
  return session.refreshing
}

/** Every form must come from our own pages. The back-channel call comes from no browser. */
function allowed(baseUrl: URL): Koa.Middleware {
  const check = onlyOwnForms(baseUrl)
  return (ctx, next) => (ctx.path === '/backchannel-logout' ? next() : check(ctx, next))
}

const files = [
  ['/live.js', 'public/live.js', 'js'],
  ['/icon.svg', '../looks/icon.svg', 'svg'],
  ['/looks.css', '../looks/looks.css', 'css'],
] as const
