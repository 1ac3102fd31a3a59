import { expect } from 'chai'
import library from 'express-openid-connect'
import { decodeJwt } from 'jose'
import type { Account } from '../../src/accounts/account.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { type Application, answerWithErrors, signInFrom, startApplication } from './application.ts'
import { declareAsDocumented } from './guide.ts'

const { attemptSilentLogin, auth, requiresAuth } = library

/** The application's sessions, as a store of express-session. */
function sessionStore() {
  const kept = new Map<string, never>()
  type Done = (error?: unknown, value?: never) => void
  return {
    get: (id: string, done: Done) => done(null, kept.get(id)),
    set: (id: string, value: never, done?: Done) => {
      kept.set(id, value)
      done?.(null)
    },
    destroy: (id: string, done?: Done) => {
      kept.delete(id)
      done?.(null)
    },
  }
}

describe('express-openid-connect', () => {
  let server: TestServer
  const applications: Application[] = []

  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
  })
  after(async () => {
    for (const application of applications) application.stop()
    await server?.stop()
  })

  async function startApp(clientId = 'express-app', metadata: object = {}): Promise<Application> {
    const application = await startApplication()
    applications.push(application)
    const { origin: app } = application
    const { issuer } = server
    const secret = await declareAsDocumented(server, 'express-openid-connect', {
      'https://app.example.com': app,
      'express-app': clientId,
    })
    const { metadata: declared } = (await server.core.clients.find(defaultTenant, clientId)) ?? {}
    await server.core.clients.declare(defaultTenant, { ...(declared as object), ...metadata })
    const store = sessionStore() as never
    const settings = {
      issuerBaseURL: issuer,
      baseURL: app,
      clientID: 'express-app',
      clientSecret: secret,
      clientAuthMethod: 'client_secret_basic',
      secret: 'what signs the cookies of the application',
      authorizationParams: { response_type: 'code', scope: 'openid profile email' },
      idpLogout: true,
      session: { store },
      backchannelLogout: { store },
    }
    const express = application.app
    express.use(auth({ ...settings, clientID: clientId, authRequired: false }))
    express.get('/', (_request, response) => void response.send('welcome'))
    express.get('/me', requiresAuth(), (request, response) => void response.json(request.oidc.user))
    express.get('/silent', attemptSilentLogin(), ({ oidc }, response) => {
      response.send(oidc.isAuthenticated() ? 'signed in' : 'a stranger')
    })
    express.get('/refresh', requiresAuth(), async ({ oidc }, response) => {
      const before = { idToken: oidc.idToken, refreshToken: oidc.refreshToken }
      const accessToken = (await oidc.accessToken?.refresh())?.access_token
      const { idToken, refreshToken } = oidc
      response.json({ before, after: { accessToken, idToken, refreshToken } })
    })
    answerWithErrors(application)
    return application
  }

  async function signIn(application: Application): Promise<UserAgent> {
    const agent = createUserAgent({ origin: application.origin })
    const page = await signInFrom(await agent.get('/login'), agent, server)
    expect(page.body).to.equal('welcome')
    return agent
  }
  const isSignedIn = async (agent: UserAgent) => (await agent.get('/me')).status === 200

  it('signs in, refreshes, signs out at the server, and signs in again (K-26, K-41, P-069)', async () => {
    const application = await startApp()
    const agent = await signIn(application)
    expect((await agent.get('/me')).json()).to.include({ email: alice.email, name: alice.name })

    const page = await agent.get('/refresh')
    expect(page.status, page.body).to.equal(200)
    const { before, after } = page.json() as Record<'before' | 'after', Record<string, string>>
    expect(after['refreshToken']).to.be.a('string').and.not.equal(before['refreshToken'])
    const [old, renewed] = [before, after].map(({ idToken = '' }) => decodeJwt(idToken))
    const same = ({ iss, sub, aud, sid, auth_time }: Record<string, unknown> = {}) => ({
      ...{ iss, sub, aud, sid, auth_time },
    })
    expect(same(renewed)).to.deep.equal(same(old))
    expect(await isSignedIn(agent)).to.equal(true)

    const confirm = await agent.get((await agent.get('/logout')).location ?? '')
    const back = await agent.submit(confirm)
    expect((await agent.follow(back)).location?.origin).to.equal(application.origin)
    expect(await isSignedIn(agent)).to.equal(false)
    const again = await agent.follow(await agent.get((await agent.get('/login')).location ?? ''))
    expect(again.root.querySelector('input[name=password]'), 'asks for the password').not.to.equal(
      null,
    )
  })

  it('signs in silently only if the user is signed in at the server (K-07, P-018)', async () => {
    const application = await startApp()
    const silently = async (agent: UserAgent) => {
      const answer = await agent.get((await agent.get('/silent')).location ?? '')
      expect(answer.location?.origin, 'no page').to.equal(application.origin)
      return agent.follow(await agent.get(answer.location ?? '', { from: answer }))
    }
    const stranger = createUserAgent({ origin: application.origin })
    expect((await silently(stranger)).body).to.equal('a stranger')
    const known = await signIn(application)
    await known.jar.store.removeCookies('127.0.0.1', '/')
    expect((await silently(known)).body).to.equal('signed in')
  })

  for (const sessionRequired of [true, false]) {
    it(`ends ${sessionRequired ? 'one session, and later all,' : "all of the user's sessions"} on a back-channel log-out (P-070)`, async () => {
      const backchannel_logout_session_required = sessionRequired
      const application = await startApp(`express-${sessionRequired}`, {
        backchannel_logout_session_required,
      })
      const [laptop, phone] = [await signIn(application), await signIn(application)]
      expect([await isSignedIn(laptop), await isSignedIn(phone)]).to.deep.equal([true, true])

      await laptop.submit(await laptop.get(`${server.issuer}/logout`))
      await eventually('the laptop is signed out', async () => !(await isSignedIn(laptop)))
      // Without backchannel_logout_session_required this library ends all sessions of the `sub`.
      expect(await isSignedIn(phone)).to.equal(sessionRequired)

      const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
      await server.core.revocations.logOutEverywhere(account as Account)
      await eventually('the phone is signed out', async () => !(await isSignedIn(phone)))
      await eventually('both deliveries are recorded', async () =>
        (await server.core.logouts.list(defaultTenant, {})).every(
          ({ state, attempts }) => state === 'delivered' && attempts === 1,
        ),
      )
    })
  }
})
