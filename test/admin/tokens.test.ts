import { createHash, randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { adminResource } from '../../src/resources/admin-resource.ts'
import { everywhere } from '../../src/roles/role.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { ask, machineWith } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { selfSigned } from '../support/certificates.ts'
import { alice, callback, furnish, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { bootMutual, type MutualServer } from '../support/mutual.ts'
import { codeFor, expectRefusal, post, redeem, signIn, tokensIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const path = '/tenants/default/clients'

/** How the admin API accepts access tokens, and whose roles apply. */
describe('an access token for the admin API', () => {
  let server: MutualServer
  let resource: string
  const deputy = {
    client_id: 'console',
    redirect_uris: [callback],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  }
  const scope = 'openid admin:clients:read admin:accounts:read'

  before(async () => {
    server = await bootMutual(anyStorage)
    await furnish(server)
    const { core } = server
    resource = adminResource(core.config.issuer).identifier
    await core.clients.declare(defaultTenant, { ...deputy, resources: [resource] })
    const account = await core.accounts.byIdentifier(defaultTenant, alice.email)
    await core.roles.grant({ accountId: account?.id ?? '' }, 'help_desk', everywhere)
    await core.roles.grant({ clientId: deputy.client_id }, 'owner', everywhere)
  })
  after(() => server?.stop())

  it('of a user has the roles of the user, not of the client (confused deputy)', async () => {
    const code = await codeFor(server, deputy, { scope, resource })
    const { access_token: token, id_token: idToken } = tokensIn(
      await redeem(server, deputy, code, { resource }),
    )
    expect((await ask(server, 'GET', '/tenants/default/accounts', { token })).status).to.equal(200)
    const refused = await ask(server, 'GET', path, { token })
    expect(refused.json()).to.include({ code: 'permission_denied' })
    // ASVS 9.2.2: an ID token instead of an access token.
    const other = await ask(server, 'GET', '/tenants/default/accounts', { token: idToken })
    expect(other.json()).to.include({ status: 401, code: 'token_invalid' })

    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    if (account) await server.core.revocations.logOutEverywhere(account)
    const late = await ask(server, 'GET', '/tenants/default/accounts', { token })
    expect(late.json()).to.include({ status: 401, code: 'token_invalid' })
  })

  it('is not issued to a client that does not list the resource, even if an owner consents', async () => {
    const answer = await signIn(server, web, { scope, resource })
    expect(answer.searchParams.get('error')).to.equal('invalid_target')
  })

  it('is accepted only in the header: not in a cookie, the query or a form (C23)', async () => {
    const agent = createUserAgent()
    await signIn(server, deputy, { scope, resource }, agent)
    const cookies = await agent.cookies(`${server.issuer}/`)
    expect(cookies.length).to.be.above(0)
    const headers = { cookie: cookies.map((cookie) => cookie.cookieString()).join('; ') }
    const client = await machineWith(server, 'owner')
    const token = tokensIn(
      await post(server, '/token', client, { grant_type: 'client_credentials', resource }),
    ).access_token
    for (const page of [
      await ask(server, 'GET', path, { headers }),
      await ask(server, 'GET', `${path}?access_token=${token}`),
      await ask(server, 'POST', `${path}?access_token=${token}`, { body: { access_token: token } }),
    ]) {
      expect(page.json()).to.include({ status: 401, code: 'token_missing' })
      expect(page.headers.get('www-authenticate')).to.match(/^Bearer realm="admin", DPoP realm/)
    }
    const preflight = await ask(server, 'OPTIONS', path, {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(preflight.status).to.equal(405)
    expect(preflight.headers.get('access-control-allow-origin')).to.equal(null)
  })

  it('that is bound to a key requires a fresh proof of that key (RFC 9449 §7, P-054)', async () => {
    const keys = await generateKeyPair('ES256', { extractable: true })
    const others = await generateKeyPair('ES256', { extractable: true })
    const client = await machineWith(server, 'owner')
    async function proof(claims: Record<string, unknown>, pair = keys): Promise<string> {
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({ jti: randomUUID(), iat: now, ...claims })
        .setProtectedHeader({
          alg: 'ES256',
          typ: 'dpop+jwt',
          jwk: await exportJWK(pair.publicKey),
        })
        .sign(pair.privateKey)
    }
    const { access_token: token } = tokensIn(
      await post(
        server,
        '/token',
        client,
        { grant_type: 'client_credentials', resource },
        { dpop: await proof({ htm: 'POST', htu: `${server.issuer}/token` }) },
      ),
    )
    const right = {
      htm: 'GET',
      htu: `${resource}${path}`,
      ath: createHash('sha256').update(token).digest('base64url'),
    }
    const show = (dpop: string | undefined, scheme = 'DPoP') =>
      exchange({
        method: 'GET',
        url: new URL(`${resource}${path}?limit=1`),
        headers: {
          authorization: `${scheme} ${token}`,
          ...(dpop === undefined ? {} : { dpop }),
        },
      })
    const fresh = await proof(right)
    expect((await show(fresh)).status).to.equal(200)
    const now = Math.floor(Date.now() / 1000)
    const wrong: Record<string, [string | undefined, string?]> = {
      'the same proof again': [fresh],
      'no proof': [undefined],
      'as a bearer token': [undefined, 'Bearer'],
      'as a bearer token, with a proof': [await proof(right), 'Bearer'],
      'another key': [await proof(right, others)],
      'another method': [await proof({ ...right, htm: 'POST' })],
      'another address': [await proof({ ...right, htu: `${resource}/tenants` })],
      'another token': [await proof({ ...right, ath: 'x' })],
      'no token named': [await proof({ ...right, ath: undefined })],
      'too old': [await proof({ ...right, iat: now - 400 })],
      'of the future': [await proof({ ...right, iat: now + 120 })],
      'no JWT': ['nonsense'],
    }
    for (const [what, [dpop, scheme]] of Object.entries(wrong)) {
      const page = await show(dpop, scheme)
      expect(page.json(), what).to.include({ status: 401, code: 'token_invalid' })
    }
    const unbound = tokensIn(
      await post(server, '/token', client, { grant_type: 'client_credentials', resource }),
    ).access_token
    const page = await ask(server, 'GET', path, { headers: { authorization: `DPoP ${unbound}` } })
    expect(page.json()).to.include({ status: 401 })
  })

  it('that is bound to a certificate requires that certificate (RFC 8705 §3, P-055)', async () => {
    const own = await selfSigned('console')
    const other = await selfSigned('somebody')
    const bound = await machineWith(server, 'owner')
    const stored = (await server.core.clients.find(defaultTenant, bound.client_id))?.metadata
    await server.core.clients.declare(defaultTenant, {
      ...(stored as object),
      tls_client_certificate_bound_access_tokens: true,
    })
    const there = server.showing(own)
    const token = tokensIn(
      await post(there, '/token', bound, { grant_type: 'client_credentials', resource }),
    ).access_token
    expect((await ask(there, 'GET', path, { token })).status).to.equal(200)
    for (const elsewhere of [server, server.showing(undefined), server.showing(other)]) {
      const page = await ask(elsewhere, 'GET', path, { token })
      expect(page.json(), elsewhere.issuer).to.include({ status: 401, code: 'token_invalid' })
    }
    expectRefusal(
      await post(server, '/token', bound, { grant_type: 'client_credentials', resource }),
      400,
      'invalid_grant',
    )
  })
})
