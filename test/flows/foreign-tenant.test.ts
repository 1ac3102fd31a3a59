import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { ask as askAdmin, bootstrap, tokenOf } from '../support/admin.ts'
import { type TestServer } from '../support/boot.ts'
import { askForResult, askPerson, bank, startRequest } from '../support/ciba.ts'
import { askFor, enterCode, startDevice } from '../support/devices.ts'
import { prover } from '../support/dpop.ts'
import { alice, api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { bootedWithMail, nextMail } from '../support/mailbox.ts'
import {
  authorizeUrl,
  codeFor,
  expectRefusal,
  type Fields,
  introspect,
  post,
  redeem,
  refresh,
  signIn,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { askSignals, signalToken } from '../support/signals.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const signer = {
  client_id: 'signer',
  grant_types: ['client_credentials'],
  scope: 'orders:read',
  token_endpoint_auth_method: 'private_key_jwt',
}
const lenient = { ...signer, client_id: 'lenient', client_assertion_audience: 'token_endpoint' }

/** Two tenants with the same clients, client keys and users: only the tenant differs. */
describe('credentials of one tenant, used at another (C31, ASVS 8.4.1)', () => {
  const { server, mailbox } = bootedWithMail()
  let acme: TestServer
  let key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey']
  let adminToken: string
  const { send } = registrar(() => server)

  before(async () => {
    acme = { ...server, issuer: `${server.issuer}/t/acme` }
    const { core } = server
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    const pair = await generateKeyPair('ES256')
    key = pair.privateKey
    const jwks = { keys: [await exportJWK(pair.publicKey)] }
    remember(bank.client_secret)
    for (const tenant of [defaultTenant, 'acme']) {
      await furnish(server, tenant)
      for (const client of [bank, { ...signer, jwks }, { ...lenient, jwks }]) {
        await core.clients.declare(tenant, client)
      }
      await core.clients.declare(tenant, { ...web, request_object_signing_alg: 'ES256', jwks })
      await core.registrationPolicies.declare(tenant, registrationPolicy.parse({ mode: 'token' }))
      await core.tenants.declareSignUp(tenant, { mode: 'invitation', domains: [] })
    }
    adminToken = await tokenOf(server, await bootstrap(server))
  })

  const now = () => Math.floor(Date.now() / 1000)
  const signed = (claims: Record<string, unknown>, typ?: string) =>
    new SignJWT({ iat: now(), exp: now() + 60, jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: 'ES256', ...(typ ? { typ } : {}) })
      .sign(key)

  const ways: Array<[what: string, home: () => TestServer, abroad: () => TestServer, id: string]> =
    [
      ['of the default tenant', () => server, () => acme, defaultTenant],
      ['of another tenant', () => acme, () => server, 'acme'],
    ]
  for (const [whose, home, abroad, homeId] of ways) {
    const there = (address: string) => address.replace(home().issuer + '/', abroad().issuer + '/')
    const get = (at: TestServer, path: string, token?: string) =>
      exchange({
        method: 'GET',
        url: new URL(at.issuer + path),
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      })
    const agents = new Map<string, ReturnType<typeof createUserAgent>>()
    /** The browser for a tenant; Alice is signed in after its first use. */
    const browser = (at: TestServer) => {
      const agent = agents.get(at.issuer) ?? createUserAgent()
      agents.set(at.issuer, agent)
      return agent
    }

    it(`tokens ${whose} are not accepted, refreshed, introspected or revoked`, async () => {
      const asked = { scope: 'openid offline_access', resource: api }
      const tokens = await tokensFor(home(), web, asked, browser(home()))
      const own = await tokensFor(home(), web, { scope: 'openid email' }, browser(home()))
      expect((await userinfo(abroad(), own.access_token)).status).to.equal(401)
      expectRefusal(await refresh(abroad(), web, tokens), 400, 'invalid_grant')
      for (const token of [tokens.access_token, tokens.refresh_token, own.access_token]) {
        for (const caller of [web, ordersApi]) {
          expect(await introspect(abroad(), caller, token)).to.deep.equal({ active: false })
        }
        expect((await post(abroad(), '/revoke', web, { token })).status).to.equal(200)
      }
      expect(await introspect(home(), ordersApi, tokens.access_token)).to.include({ active: true })
      expect((await userinfo(home(), own.access_token)).status).to.equal(200)
      expect((await refresh(home(), web, tokens)).status).to.equal(200)
    })

    it(`codes ${whose} are refused, and stay valid in their own tenant`, async () => {
      const code = await codeFor(home(), web, {}, browser(home()))
      expectRefusal(await redeem(abroad(), web, code), 400, 'invalid_grant')
      tokensIn(await redeem(home(), web, code))

      const device = await startDevice(home())
      expectRefusal(await askFor(abroad(), device), 400, 'expired_token')
      expectRefusal(await askFor(home(), device), 400, 'authorization_pending')
      const wrong = await enterCode(abroad(), createUserAgent(), device.user_code)
      expect(wrong.status).to.equal(400)
      expect((await enterCode(home(), createUserAgent(), device.user_code)).status).to.equal(200)

      const request = await startRequest(home())
      expectRefusal(await askForResult(abroad(), request), 400, 'expired_token')
      expectRefusal(await askForResult(home(), request), 400, 'authorization_pending')
    })

    it(`a pushed request ${whose} is refused, and stays valid in its own tenant`, async () => {
      const page = await post(home(), '/par', web, {
        ...Object.fromEntries(authorizeUrl(home(), web).searchParams),
      })
      expect(page.status, page.body).to.equal(201)
      const { request_uri } = page.json() as { request_uri: string }
      const at = (where: TestServer) =>
        createUserAgent().get(`${where.issuer}/authorize?client_id=web&request_uri=${request_uri}`)
      expect((await at(abroad())).status).to.equal(400)
      expect((await at(home())).status).to.equal(303)
    })

    it(`assertions, proofs and request objects ${whose} are refused`, async () => {
      const present = async (at: TestServer, client: { client_id: string }, aud: unknown) =>
        post(at, '/token', undefined, {
          grant_type: 'client_credentials',
          client_assertion_type: assertionType,
          client_assertion: await signed({ iss: client.client_id, sub: client.client_id, aud }),
        })
      for (const [client, aud] of [
        [signer, home().issuer],
        [lenient, home().issuer],
        [lenient, `${home().issuer}/token`],
        [lenient, [`${home().issuer}/token`]],
      ] as const) {
        expectRefusal(await present(abroad(), client, aud), 401, 'invalid_client')
        tokensIn(await present(home(), client, aud))
      }

      const prove = await prover(home())
      const asked = { grant_type: 'client_credentials', scope: 'orders:read', resource: api }
      const withProof = async (at: TestServer, dpop: string) =>
        post(at, '/token', machine, asked, { dpop })
      expectRefusal(await withProof(abroad(), await prove()), 400, 'invalid_dpop_proof')
      expect(tokensIn(await withProof(home(), await prove())).token_type).to.equal('DPoP')

      const { client_id, ...params } = Object.fromEntries(authorizeUrl(home(), web).searchParams)
      const object = (aud: string) =>
        signed({ ...params, client_id, iss: client_id, aud }, 'oauth-authz-req+jwt')
      const push = async (at: TestServer, request: string) => post(at, '/par', web, { request })
      const request = await object(home().issuer)
      expectRefusal(await push(abroad(), request), 400, 'invalid_request_object')
      expect((await push(home(), request)).status).to.equal(201)
    })

    it(`an ID token ${whose} is refused as a hint`, async () => {
      const { id_token: hint } = await tokensFor(home(), web, {}, browser(home()))
      // Alice is signed in at the other tenant as well.
      await signIn(abroad(), web, {}, browser(abroad()))
      const fields: Fields = { id_token_hint: hint, prompt: 'none' }
      const ask = async (at: TestServer) =>
        (await browser(at).get(authorizeUrl(at, web, fields))).location?.searchParams
      expect((await ask(abroad()))?.get('error')).to.equal('invalid_request')
      expect((await ask(home()))?.has('code')).to.equal(true)
      const asked = { login_hint: undefined, id_token_hint: hint }
      expect((await askPerson(abroad(), asked)).status).to.equal(400)
      const out = `/logout?id_token_hint=${hint}`
      expect((await browser(abroad()).get(abroad().issuer + out)).status).to.equal(400)
      expect((await ask(home()))?.has('code'), 'nobody was signed out').to.equal(true)
    })

    it(`a form ${whose} is refused, whatever cookies are sent with it (C23)`, async () => {
      const start = async (at: TestServer) => {
        const agent = createUserAgent()
        return { agent, page: await agent.follow(await agent.get(authorizeUrl(at, web))) }
      }
      const [own, other] = [await start(home()), await start(abroad())]
      const csrf = own.page.root.querySelector('input[name=csrf]')?.getAttribute('value') ?? ''
      const fields = { username: alice.email, password: alice.password, csrf }
      const refused = await other.agent.post(`${other.page.url.href}/login`, fields)
      expect(refused.status).to.equal(403)
      expect((await own.agent.post(`${own.page.url.href}/login`, fields)).status).to.equal(303)
    })

    it(`registration tokens ${whose} can neither register nor manage a client`, async () => {
      const { token } = await server.core.registrations.initialTokens.create(homeId, { uses: 1 })
      remember(token)
      const register = (at: TestServer) =>
        send('POST', `${at.issuer}/register`, { body: selfDeclared, token })
      expect((await register(abroad())).status).to.equal(401)
      const made = informationIn(await register(home()))
      const { registration_access_token: managing, registration_client_uri: uri } = made
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const body = method === 'PUT' ? { ...selfDeclared, client_id: made.client_id } : undefined
        const page = await send(method, there(uri), { token: managing, body })
        expect(page.status, method).to.equal(401)
      }
      expect((await send('GET', uri, { token: managing })).status).to.equal(200)
    })

    it(`mail links ${whose} are refused`, async () => {
      const { core } = server
      const agent = createUserAgent()
      const email = `${randomUUID()}@example.com`
      for (const tenant of [defaultTenant, 'acme']) {
        await core.accounts.declare(tenant, { email, password: alice.password })
      }
      const form = await agent.get(`${home().issuer}/password/forgot`)
      await agent.submit(form, { fields: { username: email } })
      const invited = `${randomUUID()}@example.com`
      await core.invitations.create(homeId, { email: invited, language: 'en' })
      const account = await core.accounts.byIdentifier(homeId, email)
      if (!account) throw new Error('no account')
      await core.emailAddresses.askVerification(account, { by: 'owner', language: 'en' })
      const mailed = (to: string, path: string) =>
        nextMail(
          path,
          () => mailbox.mails,
          (mail) => mail.to === to && (mail.link ?? '').startsWith(home().issuer + path),
        )
      for (const [to, path] of [
        [email, '/password/reset'],
        [invited, '/sign-up/finish'],
        [email, '/email/verify'],
      ] as const) {
        const { link = '' } = await mailed(to, path)
        expect((await agent.get(there(link))).status, path).to.equal(400)
        const shown = await agent.get(link)
        expect(shown.status, path).to.equal(200)
        const fields = {
          new_password: 'a raven and a writing desk',
          confirm_password: 'a raven and a writing desk',
        }
        const filled = path === '/email/verify' ? {} : fields
        const values = Object.fromEntries(
          shown.root
            .querySelectorAll('input[type=hidden]')
            .map((input) => [input.getAttribute('name') ?? '', input.getAttribute('value') ?? '']),
        )
        const taken = await agent.post(there(shown.url.href).split('?')[0] ?? '', {
          ...values,
          ...filled,
        })
        expect(taken.status, path).to.equal(403)
      }
    })

    it(`tokens ${whose} for the server's own APIs are refused`, async () => {
      const feed = { grant_type: 'client_credentials', resource: `${home().issuer}/revocations` }
      const { access_token: reading } = tokensIn(await post(home(), '/token', ordersApi, feed))
      const signals = await signalToken(home(), ordersApi)
      const path = `/revocations?audience=${encodeURIComponent(api)}`
      expect((await get(abroad(), path, reading)).status).to.equal(401)
      expect((await get(home(), path, reading)).status).to.equal(200)
      expect((await askSignals(abroad(), signals, 'GET', 'ssf/streams')).status).to.equal(401)
      expect((await askSignals(home(), signals, 'GET', 'ssf/streams')).status).to.equal(200)
      for (const token of [reading, signals]) {
        expect((await askAdmin(server, 'GET', '/tenants', { token })).status).to.equal(401)
      }
      expect((await askAdmin(acme, 'GET', '/tenants', { token: adminToken })).status).to.equal(404)
      const foreign = { grant_type: 'client_credentials', resource: `${abroad().issuer}/ssf` }
      expectRefusal(await post(home(), '/token', ordersApi, foreign), 400, 'invalid_target')
    })
  }
})
