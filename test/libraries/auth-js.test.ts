import { expect } from 'chai'
import type { Request, RequestHandler } from 'express'
import { exportJWK, generateKeyPair } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { alice, furnish } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { type Application, answerWithErrors, signInFrom, startApplication } from './application.ts'
import { declareAsDocumented } from './guide.ts'

/** A literal import would load its types, which put those of the DOM into every file of this program. */
const name: string = '@auth/express'
const { ExpressAuth, getSession } = (await import(name)) as {
  ExpressAuth(config: object): RequestHandler
  getSession(request: Request, config: object): Promise<object | null>
}

describe('Auth.js on Express', () => {
  let server: TestServer
  let application: Application

  before(async () => {
    server = await boot(anyStorage)
    await furnish(server)
    application = await startApplication()
    const { issuer } = server
    const { origin: app } = application
    const secret = await declareAsDocumented(server, 'Auth.js', { 'https://app.example.com': app })
    const provider = {
      id: 'keyturn',
      name: 'Keyturn',
      type: 'oidc',
      issuer,
      clientId: 'auth-js',
      clientSecret: secret,
      checks: ['pkce', 'state', 'nonce'],
    }
    const { checks: _checks, ...defaults } = provider
    async function variant(id: string, metadata: object = {}): Promise<object> {
      const redirect_uris = [`${app}/auth/callback/${id}`]
      const client = { client_id: id, client_secret: secret, redirect_uris, ...metadata }
      await server.core.clients.declare(defaultTenant, client)
      return { ...defaults, id, clientId: id }
    }
    const slim = { id_token_scope_claims: false }
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
    const keyed = {
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      client_assertion_audience: 'token_endpoint',
      jwks: { keys: [await exportJWK(publicKey)] },
    }
    const config = {
      secret: 'what the application encrypts its own cookies with',
      trustHost: true,
      basePath: '/auth',
      providers: [
        provider,
        await variant('defaults'),
        { ...(await variant('userinfo')), idToken: false },
        { ...(await variant('slim-userinfo', slim)), idToken: false },
        await variant('slim', slim),
        {
          ...(await variant('keyed', keyed)),
          client: { token_endpoint_auth_method: 'private_key_jwt' },
          token: { clientPrivateKey: privateKey },
        },
      ],
    }
    application.app.use('/auth', ExpressAuth(config))
    application.app.get('/me', async (request, response) => {
      response.json(await getSession(request, config))
    })
    answerWithErrors(application)
  })
  after(async () => {
    application?.stop()
    await server?.stop()
  })

  async function signIn(provider: string, agent: UserAgent): Promise<Page> {
    const { csrfToken } = (await agent.get('/auth/csrf')).json() as { csrfToken: string }
    const start = await agent.post(`/auth/signin/${provider}`, { csrfToken, callbackUrl: '/me' })
    return signInFrom(start, agent, server)
  }

  for (const [id, how] of [
    ['keyturn', 'with state and nonce, the user from the ID token'],
    ['defaults', 'with its defaults, the user from the ID token'],
    ['userinfo', 'with idToken: false, the user from userinfo'],
    ['keyed', 'with private_key_jwt, with the token endpoint as the audience'],
    ['slim-userinfo', 'with idToken: false for a client without scope claims in its ID tokens'],
  ] as const) {
    it(`signs in ${how} (K-22, K-40)`, async () => {
      const agent = createUserAgent({ origin: application.origin })
      const me = await signIn(id, agent)
      expect(me.status, me.body).to.equal(200)
      const { user } = me.json() as { user: object }
      expect(user).to.include({ email: alice.email, name: alice.name })
    })
  }

  it('signs in a user without a name when ID tokens have no scope claims (K-22)', async () => {
    const me = await signIn('slim', createUserAgent({ origin: application.origin }))
    const { user } = me.json() as { user: object }
    expect(user).not.to.have.any.keys('email', 'name')
  })

  it('signs out of the application, and at the server when redirected there (P-069)', async () => {
    const agent = createUserAgent({ origin: application.origin })
    await signIn('keyturn', agent)
    const { csrfToken } = (await agent.get('/auth/csrf')).json() as { csrfToken: string }
    await agent.post('/auth/signout', { csrfToken })
    expect((await agent.get('/me')).json()).to.equal(null)
    const { origin } = application
    const query = new URLSearchParams({ client_id: 'auth-js', post_logout_redirect_uri: origin })
    const done = await agent.submit(await agent.get(`${server.issuer}/logout?${query.toString()}`))
    expect(done.location?.href).to.equal(`${origin}/`)
    const asked = await agent.get(`${server.issuer}/account`)
    expect((await agent.follow(asked)).body).to.include('name="password"')
  })
})
