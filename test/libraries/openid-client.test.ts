import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import express from 'express'
import session from 'express-session'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  ClientSecretPost,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  dynamicClientRegistration,
  getDPoPHandle,
  randomDPoPKeyPair,
  randomPKCECodeVerifier,
} from 'openid-client'
import { Strategy, type VerifyFunction } from 'openid-client/passport'
import { Passport } from 'passport'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { complaintsOf } from '../people/site.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { inChromium } from '../support/browser.ts'
import { eventually } from '../support/eventually.ts'
import { alice, callback, furnish } from '../support/fixtures.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { type Application, answerWithErrors, signInFrom, startApplication } from './application.ts'
import { declareAsDocumented } from './guide.ts'

/** The folder of a package's entry, as browsers load it. */
const folderOf = (library: string) => fileURLToPath(new URL('.', import.meta.resolve(library)))

/** The script of a page that pushes its request with a DPoP key; the test calls its functions. */
const script = (issuer: string) => `
import * as client from 'openid-client'
const options = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(new URL('${issuer}'), 'openid-browser', undefined, client.None(), options)
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const expectedState = client.randomState()
Object.assign(window, {
  push: async () => (await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: location.origin + '/callback',
    scope: 'openid email',
    state: expectedState,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  }, { DPoP })).href,
  finish: async (callback) => {
    const checks = { pkceCodeVerifier, expectedState }
    const first = await client.authorizationCodeGrant(config, new URL(callback), checks, undefined, { DPoP })
    const next = await client.refreshTokenGrant(config, first.refresh_token, undefined, { DPoP })
    const { sub } = first.claims()
    const { email } = await client.fetchUserInfo(config, next.access_token, sub, { DPoP })
    await client.tokenRevocation(config, next.refresh_token)
    return { type: next.token_type, email }
  },
})
document.title = 'ready'
`

describe('openid-client as documented, with passport, and in Chromium', () => {
  let server: TestServer
  const applications: Application[] = []
  let application: Application
  let config: Configuration
  let secret: string

  before(async () => {
    server = await boot(anyStorage)
    await furnish(server)
    application = await start()
    const { issuer } = server
    secret = await declareAsDocumented(server, 'openid-client', {
      'https://app.example.com': application.origin,
    })
    config = await discovery(new URL(issuer), 'openid-app', secret, ClientSecretPost(secret), {
      execute: [allowInsecureRequests], // for http on loopback alone
    })
  })
  after(async () => {
    for (const each of applications) each.stop()
    await server?.stop()
  })

  async function start(): Promise<Application> {
    const started = await startApplication()
    applications.push(started)
    return started
  }

  it('accepts a form_post answer, and authenticates in the body (K-40)', async () => {
    const { origin: app } = application
    const pkceCodeVerifier = randomPKCECodeVerifier()
    const checks = { pkceCodeVerifier, expectedState: 'the-state' }
    application.app.post('/form', express.text({ type: '*/*' }), async (request, response) => {
      const body = request.body as string
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const posted = new Request(`${app}/form`, { method: 'POST', body, headers })
      const tokens = await authorizationCodeGrant(config, posted, checks)
      const email = tokens.claims()?.['email'] as string
      response.redirect(303, `http://localhost:9/?email=${email}`)
    })
    const request = buildAuthorizationUrl(config, {
      redirect_uri: `${app}/form`,
      response_mode: 'form_post',
      scope: 'openid email',
      state: 'the-state',
      code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    const { email: username, password } = alice
    const back = await createUserAgent().walk(request, { username, password })
    expect(back.searchParams.get('email')).to.equal(alice.email)
  })

  it('registers itself with an initial access token (RFC 7591 §3)', async () => {
    const { registrationPolicies, registrations } = server.core
    await registrationPolicies.declare(defaultTenant, registrationPolicy.parse({ mode: 'token' }))
    const { token } = await registrations.initialTokens.create(defaultTenant, { uses: 1 })
    remember(token)
    const register = () =>
      dynamicClientRegistration(
        new URL(server.issuer),
        {
          client_name: 'Registered',
          redirect_uris: [callback],
          // The default of this library.
          token_endpoint_auth_method: 'client_secret_post',
        },
        undefined,
        { initialAccessToken: token, execute: [allowInsecureRequests] },
      )
    const own = await eventually('the client is registered', register)
    const pkceCodeVerifier = randomPKCECodeVerifier()
    const request = buildAuthorizationUrl(own, {
      redirect_uri: callback,
      scope: 'openid email',
      state: 'the-state',
      code_challenge: await calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    const { email: username, password } = alice
    const back = await createUserAgent().walk(request, { username, password })
    const checks = { pkceCodeVerifier, expectedState: 'the-state' }
    const tokens = await authorizationCodeGrant(own, back, checks)
    expect(tokens.claims()?.['email']).to.equal(alice.email)
  })

  it('with passport: pushes its request, sends DPoP proofs with nonces, and names a resource (P-028, P-054, K-40)', async () => {
    const { origin: app, app: site } = application
    const DPoP = getDPoPHandle(config, await randomDPoPKeyPair())
    const settings = {
      config,
      scope: 'openid orders:read',
      resource: 'https://orders.example.com',
      callbackURL: `${app}/callback`,
      usePAR: true,
      DPoP: () => DPoP,
    }
    const verify: VerifyFunction = (tokens, done) =>
      done(null, { type: tokens.token_type, scope: tokens.scope, sub: tokens.claims()?.sub })
    const passport = new Passport()
    passport.use('openid-client', new Strategy(settings, verify))
    passport.serializeUser((user, done) => done(null, user))
    passport.deserializeUser((user: object, done) => done(null, user))
    site.use(session({ secret: 'of cookies', resave: false, saveUninitialized: false }))
    site.use(passport.session())
    site.get('/login', passport.authenticate('openid-client'))
    site.get('/callback', passport.authenticate('openid-client', { successRedirect: '/me' }))
    site.get('/me', (request, response) => void response.json(request.user ?? null))
    answerWithErrors(application)

    const agent = createUserAgent({ origin: app })
    const login = await agent.get('/login')
    expect(login.location?.searchParams.has('request_uri'), login.body).to.equal(true)
    const me = await signInFrom(login, agent, server)
    expect(me.status, me.body).to.equal(200)
    expect(me.json()).to.include({ type: 'dpop', scope: 'orders:read' })
  })

  describe('in Chromium', () => {
    const open = inChromium()

    it('in a page of another site: pushes, redeems, refreshes, calls userinfo and revokes (P-054, K-23, K-40)', async () => {
      const { app, origin } = await start()
      await declareAsDocumented(server, 'openid-client', { 'https://app.example.com': origin })
      const imports = {
        'openid-client': '/openid-client/index.js',
        oauth4webapi: '/oauth4webapi/index.js',
        'jose/jwe/compact/decrypt': '/jose/jwe/compact/decrypt.js',
        'jose/errors': '/jose/util/errors.js',
      }
      app.use('/openid-client', express.static(folderOf('openid-client')))
      app.use('/oauth4webapi', express.static(folderOf('oauth4webapi')))
      app.use('/jose', express.static(folderOf('jose')))
      app.use((_request, response) => {
        response.send(
          `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script><script type="module">${script(server.issuer)}</script>`,
        )
      })
      const tab = await open()
      const complaints = complaintsOf(tab)
      await tab.goto(origin)
      await tab.waitForFunction('document.title === "ready"')
      const { email: username, password } = alice
      const request = await tab.evaluate<string>('push()')
      const back = await createUserAgent().walk(request, { username, password })
      const got = await tab.evaluate(`finish(${JSON.stringify(back.href)})`)
      expect(got).to.deep.equal({ type: 'dpop', email: alice.email })
      // The browser logs a 400 itself when a nonce is required and the library retries.
      expect(complaints.filter((text) => !/status of 40[01]/.test(text))).to.deep.equal([])
    })
  })
})
