import { expect } from 'chai'
import session from 'express-session'
import { Passport } from 'passport'
import { type Profile, Strategy, type VerifyCallback } from 'passport-openidconnect'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { type Application, answerWithErrors, signInFrom, startApplication } from './application.ts'
import { declareAsDocumented } from './guide.ts'

describe('passport-openidconnect, which has no PKCE', () => {
  let server: TestServer
  let application: Application

  before(async () => {
    server = await boot(anyStorage)
    await furnish(server)
    application = await startApplication()
    const { issuer } = server
    const { origin: app } = application
    const secret = await declareAsDocumented(server, 'passport-openidconnect', {
      'https://app.example.com': app,
    })
    const settings = {
      issuer,
      authorizationURL: `${issuer}/authorize`,
      tokenURL: `${issuer}/token`,
      userInfoURL: `${issuer}/userinfo`,
      clientID: 'passport-app',
      clientSecret: secret,
      callbackURL: `${app}/callback`,
      scope: ['profile', 'email'],
      nonce: 'true',
    }
    const passport = new Passport()
    const verify = (_issuer: string, profile: Profile, done: VerifyCallback) => done(null, profile)
    const { nonce: _nonce, ...careless } = settings
    const userinfo = { skipUserProfile: false, callbackURL: `${app}/userinfo/callback` }
    passport.use('id-token', new Strategy(settings, verify))
    passport.use('userinfo', new Strategy({ ...settings, ...userinfo }, verify))
    passport.use('careless', new Strategy(careless, verify))
    passport.serializeUser((user, done) => done(null, user))
    passport.deserializeUser((user: object, done) => done(null, user))

    const express = application.app
    express.use(session({ secret: 'of cookies', resave: false, saveUninitialized: false }))
    express.use(passport.session())
    express.get('/login', passport.authenticate('id-token'))
    express.get('/userinfo/login', passport.authenticate('userinfo'))
    express.get('/careless/login', passport.authenticate('careless'))
    const successRedirect = '/me'
    express.get('/callback', passport.authenticate('id-token', { successRedirect }))
    express.get('/userinfo/callback', passport.authenticate('userinfo', { successRedirect }))
    express.get('/me', (request, response) => void response.json(request.user ?? null))
    answerWithErrors(application)
  })
  after(async () => {
    application?.stop()
    await server?.stop()
  })

  for (const [path, where] of [
    ['', 'the ID token'],
    ['/userinfo', 'userinfo'],
  ]) {
    it(`signs in with a nonce instead of PKCE and the profile from ${where} (K-04, K-22)`, async () => {
      const agent = createUserAgent({ origin: application.origin })
      const login = await agent.get(`${path}/login`)
      expect(login.location?.searchParams.has('code_challenge')).to.equal(false)
      const me = await signInFrom(login, agent, server)
      expect(me.status, me.body).to.equal(200)
      expect(me.json()).to.deep.include({
        displayName: alice.name,
        emails: [{ value: alice.email }],
      })
    })
  }

  it('gets an error without a nonce (K-04)', async () => {
    const agent = createUserAgent({ origin: application.origin })
    const page = await signInFrom(await agent.get('/careless/login'), agent, server)
    expect(page.status).to.equal(500)
    expect(page.body).to.equal('AuthorizationError: nonce is required where PKCE is not used')
  })
})
