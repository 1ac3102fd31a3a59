import { createPublicKey, X509Certificate } from 'node:crypto'
import { Agent, get } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { createAuthority, type Identity, selfSigned } from '../support/certificates.ts'
import { startChild } from '../support/child.ts'
import { answerRequest, askForResult, bank, startRequest } from '../support/ciba.ts'
import { allowDevice, askFor, startDevice } from '../support/devices.ts'
import {
  api,
  furnish,
  furnishOpaque,
  opaque,
  ordersApi,
  spa,
  tv,
  web,
} from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { bootMutual, type MutualServer } from '../support/mutual.ts'
import {
  codeFor,
  expectRefusal,
  introspect,
  post,
  redeem,
  refresh,
  type StoryClient,
  type Tokens,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const offline = { scope: 'openid offline_access' }
const bound = { tls_client_certificate_bound_access_tokens: true }
/** Public clients, whose refresh tokens are bound as well (RFC 8705 §4). */
const app = { ...spa, ...bound, client_id: 'app' }
const steady = { ...app, client_id: 'steady', refresh_token_rotation: 'never' }
/** A client with a secret: only its access tokens are bound, to whichever certificate it presents. */
const shop = { ...web, ...bound, client_id: 'shop' }

const thumbprintOf = ({ cert }: Identity) =>
  Buffer.from(new X509Certificate(cert).fingerprint256.replaceAll(':', ''), 'hex').toString(
    'base64url',
  )

/** A key with its certificate, as registered by a client (RFC 8705 §2.2.2). */
function jwkOf({ cert }: Identity) {
  const certificate = new X509Certificate(cert)
  const jwk = createPublicKey(cert).export({ format: 'jwk' })
  return { ...jwk, x5c: [certificate.raw.toString('base64')] }
}

onAnyStorage('mutual TLS (RFC 8705, P-055)', (kind) => {
  let server: MutualServer
  let own: Identity
  let other: Identity
  before(async () => {
    server = await bootMutual(kind)
    await furnish(server)
    await furnishOpaque(server)
    for (const client of [app, steady, shop]) await server.core.clients.declare('default', client)
    own = await selfSigned('CN=app')
    other = await selfSigned('CN=app')
  })
  afterEach(() => backToPresent())
  after(() => server?.stop())

  const obtain = async (client: StoryClient, fields = {}) =>
    tokensIn(
      await redeem(
        server.showing(own),
        client,
        await codeFor(server, client, { ...offline, ...fields }),
      ),
    )
  const cnfOf = ({ access_token }: Tokens) => decodeJwt(access_token)['cnf']

  /** How much `story` adds to the counters of refused keys. */
  async function counting(story: () => Promise<void>) {
    const before = server.core.counters.read()
    await story()
    const after = server.core.counters.read()
    return {
      missing: after.mtls_key_missing - before.mtls_key_missing,
      other: after.mtls_key_other - before.mtls_key_other,
    }
  }

  it('is advertised in discovery, with the endpoint aliases', async () => {
    for (const kindOf of ['openid-configuration', 'oauth-authorization-server']) {
      const url = new URL(`${server.issuer}/.well-known/${kindOf}`)
      const { mtlsOrigin } = server.core.config
      expect((await exchange({ method: 'GET', url, headers: {} })).json()).to.deep.include({
        tls_client_certificate_bound_access_tokens: true,
        mtls_endpoint_aliases: {
          pushed_authorization_request_endpoint: `${mtlsOrigin}/par`,
          token_endpoint: `${mtlsOrigin}/token`,
          device_authorization_endpoint: `${mtlsOrigin}/device_authorization`,
          backchannel_authentication_endpoint: `${mtlsOrigin}/backchannel-authentication`,
          userinfo_endpoint: `${mtlsOrigin}/userinfo`,
          introspection_endpoint: `${mtlsOrigin}/introspect`,
          revocation_endpoint: `${mtlsOrigin}/revoke`,
          revocation_feed_endpoint: `${mtlsOrigin}/revocations`,
          revocation_feed_stream_endpoint: `${mtlsOrigin}/revocations/stream`,
        },
      })
    }
  })

  it('requests certificates only at its own port, which serves no pages', async () => {
    const { port, mtlsPort, mtlsOrigin } = server.core.config
    for (const [where, asks] of [
      [port, false],
      [mtlsPort, true],
    ] as const) {
      const script = `require('node:tls').connect({ port: ${where}, enableTrace: true,
        rejectUnauthorized: false }, function () { this.end() })`
      const child = await startChild(process.execPath, ['-e', script], {})
      await child.exit
      expect(child.stderr()).to.include('EncryptedExtensions')
      expect(child.stderr().includes('CertificateRequest'), String(where)).to.equal(asks)
    }
    for (const path of [
      '/authorize',
      '/',
      '/account',
      '/interaction/x',
      '/logout',
      '/device',
      '/healthz',
    ]) {
      const url = new URL(`${mtlsOrigin}${path}`)
      const page = await exchange({ method: 'GET', url, headers: {}, identity: own })
      expect(page.status, path).to.equal(404)
    }
  })

  it('binds access and refresh token, and the binding survives rotation (P-046)', async () => {
    const first = await obtain(app)
    const cnf = { 'x5t#S256': thumbprintOf(own) }
    expect(first.token_type).to.equal('Bearer')
    expect(cnfOf(first)).to.deep.equal(cnf)
    const second = tokensIn(await refresh(server.showing(own), app, first))
    const third = tokensIn(await refresh(server.showing(own), app, second))
    expect(cnfOf(third)).to.deep.equal(cnf)
    expect(new Set([first, second, third].map((tokens) => tokens.refresh_token)).size).to.equal(3)
  })

  it('binds the tokens of a device, and sends the user to the ordinary port', async () => {
    const set = { ...tv, ...bound, client_id: 'bound-tv' }
    await server.core.clients.declare('default', set)
    const device = await startDevice(server.showing(own), offline, set)
    expect(device.verification_uri).to.equal(`${server.issuer}/device`)
    expect(device.verification_uri_complete).to.equal(
      `${server.issuer}/device?user_code=${device.user_code}`,
    )
    await allowDevice(server, device)
    const without = await askFor(server, device, set)
    expectRefusal(without, 400, 'invalid_grant')
    expect(without.json()).to.include({
      error_description: 'mutual TLS client certificate not provided',
    })
    const { check } =
      (await server.core.refusals.find(without.headers.get('request-id') ?? '')) ?? {}
    expect(check).to.equal('certificate_present')
    const tokens = tokensIn(await askFor(server.showing(own), device, set))
    expect(cnfOf(tokens)).to.deep.equal({ 'x5t#S256': thumbprintOf(own) })
  })

  it('binds the tokens of a backchannel request, with a refresh token that never rotates', async () => {
    const boundBank = { ...bank, ...bound, refresh_token_rotation: 'never' }
    await server.core.clients.declare('default', boundBank)
    const request = await startRequest(server.showing(own), offline, bank)
    await answerRequest(server)
    expectRefusal(await askForResult(server, request), 400, 'invalid_grant')
    const tokens = tokensIn(await askForResult(server.showing(own), request))
    expect(cnfOf(tokens)).to.deep.equal({ 'x5t#S256': thumbprintOf(own) })
    const next = tokensIn(await refresh(server.showing(own), bank, tokens))
    expect(next.refresh_token ?? tokens.refresh_token).to.equal(tokens.refresh_token)
    expectRefusal(await refresh(server, bank, tokens), 400, 'invalid_grant')
  })

  it('refuses a refresh without the certificate or with another, and counts and audits it', async () => {
    const first = await obtain(app)
    const family = decodeJwt(first.access_token)['fid'] as string
    const counted = await counting(async () => {
      expectRefusal(await refresh(server, app, first), 400, 'invalid_grant')
      expectRefusal(await refresh(server.showing(undefined), app, first), 400, 'invalid_grant')
      expectRefusal(await refresh(server, app, first), 400, 'invalid_grant')
      expectRefusal(await refresh(server.showing(other), app, first), 400, 'invalid_grant')
    })
    expect(counted).to.deep.equal({ missing: 3, other: 1 })
    const all = await server.core.audit.ofFamily('default', family)
    const events = all.filter(({ type }) => type !== 'token.issued')
    expect(
      events.map(({ type, clientId, detail }) => ({ type, clientId, ...detail })),
    ).to.deep.equal(
      [{ key: 'missing' }, { key: 'missing', count: 2 }, { key: 'other' }].map((more) => ({
        type: 'token.key_refused',
        clientId: app.client_id,
        mechanism: 'mtls',
        endpoint: 'token',
        ...more,
      })),
    )
    tokensIn(await refresh(server.showing(own), app, first))
  })

  it('refuses a code to a client that must present a certificate, without counting a stolen token', async () => {
    const counted = await counting(async () => {
      const code = await codeFor(server, app, offline)
      expectRefusal(await redeem(server, app, code), 400, 'invalid_grant')
    })
    expect(counted).to.deep.equal({ missing: 0, other: 0 })
  })

  it('repeats a lost refresh response only for the same certificate; other attempts do not end the family (R-07)', async () => {
    const first = await obtain(app)
    const second = tokensIn(await refresh(server.showing(own), app, first))
    const counted = await counting(async () => {
      expectRefusal(await refresh(server.showing(other), app, first), 400, 'invalid_grant')
      expectRefusal(await refresh(server, app, first), 400, 'invalid_grant')
    })
    expect(counted).to.deep.equal({ missing: 1, other: 1 })
    const again = tokensIn(await refresh(server.showing(own), app, first))
    expect(again.refresh_token).to.equal(second.refresh_token)
    expect(again.access_token).to.equal(second.access_token)
    tokensIn(await refresh(server.showing(own), app, second))
  })

  it('ends the family when a used token is presented after the replay window, by anyone (P-046)', async () => {
    const first = await obtain(app)
    const second = tokensIn(await refresh(server.showing(own), app, first))
    travel(31)
    expectRefusal(await refresh(server.showing(other), app, first), 400, 'invalid_grant')
    expectRefusal(await refresh(server.showing(own), app, second), 400, 'invalid_grant')
  })

  it('lets a client with a secret change its certificate: the response is bound to the new one', async () => {
    const first = await obtain(shop)
    const second = tokensIn(await refresh(server.showing(own), shop, first))
    const renewed = tokensIn(await refresh(server.showing(other), shop, first))
    expect(renewed.refresh_token).to.equal(second.refresh_token)
    expect(cnfOf(second)).to.deep.equal({ 'x5t#S256': thumbprintOf(own) })
    expect(cnfOf(renewed)).to.deep.equal({ 'x5t#S256': thumbprintOf(other) })
    expectRefusal(await refresh(server, shop, second), 400, 'invalid_grant')
  })

  it('rotation "never" keeps the refresh token of a bound public client (P-049, P-050)', async () => {
    const first = await obtain(steady)
    const again = tokensIn(await refresh(server.showing(own), steady, first))
    expect(again.refresh_token).to.equal(first.refresh_token)
    expectRefusal(await refresh(server.showing(other), steady, first), 400, 'invalid_grant')
    expect(await server.core.families.find('default', hashOf(first.refresh_token ?? ''))).to.be.an(
      'object',
    )
  })

  it('userinfo requires the same certificate', async () => {
    const jwt = await obtain(app)
    expect((await userinfo(server.showing(own), jwt.access_token)).status).to.equal(200)
    const counted = await counting(async () => {
      for (const caller of [server, server.showing(undefined), server.showing(other)]) {
        const page = await userinfo(caller, jwt.access_token)
        expect(page.status).to.equal(401)
        expect(page.headers.get('www-authenticate')).to.match(/error="invalid_token"/)
      }
    })
    expect(counted).to.deep.equal({ missing: 2, other: 1 })
    const { fid: family, sub } = decodeJwt(jwt.access_token)
    const all = await server.core.audit.ofFamily('default', family as string)
    const events = all.filter(({ type }) => type !== 'token.issued')
    expect(events.map(({ accountId, detail }) => [accountId, detail?.['endpoint']])).to.deep.equal(
      Array.from({ length: 3 }, () => [sub, 'userinfo']),
    )
  })

  it('a resumed connection keeps the certificate of the first', async () => {
    const { access_token } = await obtain(app)
    const agent = new Agent({ ...own, maxCachedSessions: 1 })
    const reused: boolean[] = []
    for (let i = 0; i < 2; i++) {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const request = get(`${server.core.config.mtlsOrigin}/userinfo`, {
        agent,
        headers: { authorization: `Bearer ${access_token}` },
      })
      request.once('error', reject)
      request.once('response', (response) => {
        reused.push((response.socket as TLSSocket).isSessionReused())
        response.resume().once('end', () => resolve(response.statusCode ?? 0))
      })
      expect(await promise).to.equal(200)
    }
    agent.destroy()
    expect(reused).to.deep.equal([false, true])
  })

  it('introspection shows the certificate for both token formats (RFC 8705 §3.2)', async () => {
    const cnf = { 'x5t#S256': thumbprintOf(own) }
    for (const [resource, scope] of [
      [api, 'openid orders:read'],
      [opaque, 'openid read'],
    ]) {
      const { access_token } = await obtain(app, { resource, scope })
      const answer = await introspect(server, ordersApi, access_token)
      expect(answer, resource).to.deep.include({ active: true, cnf })
    }
  })

  it('a self-signed certificate authenticates the client that registered it (RFC 8705 §2.2)', async () => {
    const client = {
      ...app,
      client_id: 'self-signed',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [jwkOf(own)] },
    }
    await server.core.clients.declare('default', client)
    const first = await obtain(client)
    expect(cnfOf(first)).to.deep.equal({ 'x5t#S256': thumbprintOf(own) })
    for (const caller of [server, server.showing(undefined), server.showing(other)]) {
      expectRefusal(await refresh(caller, client, first), 401, 'invalid_client')
    }
    tokensIn(await refresh(server.showing(own), client, first))
  })

  describe('tls_client_auth (RFC 8705 §2.1)', () => {
    const robot = {
      client_id: 'robot',
      grant_types: ['client_credentials'],
      scope: 'orders:read',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: 'CN=robot,O=Example',
      ...bound,
    }
    const ask = (identity: Identity | undefined) =>
      post(server.showing(identity), '/token', robot, {
        grant_type: 'client_credentials',
        resource: api,
      })
    before(() => server.core.clients.declare('default', robot))

    it('accepts a certificate from a known authority for the registered name', async () => {
      const identity = await server.authority.issue('O=Example, CN=robot')
      const tokens = tokensIn(await ask(identity))
      expect(cnfOf(tokens)).to.deep.equal({ 'x5t#S256': thumbprintOf(identity) })
      const caller = server.showing(identity)
      expect(await introspect(caller, robot, tokens.access_token)).to.include({ active: true })
      const url = new URL(`${server.issuer}/token`)
      const page = await exchange({ method: 'POST', url, headers: {}, identity })
      expect(page.status, 'the ordinary port sees no certificate').to.equal(400)
    })

    it('refuses all other certificates', async () => {
      const { authority } = server
      const name = 'O=Example, CN=robot'
      const impostor = await createAuthority(authority.subject)
      const [day, serverUsage] = [24 * 3600, '1.3.6.1.5.5.7.3.1']
      for (const [what, identity] of [
        ['no certificate', undefined],
        ['another name', await authority.issue('O=Example, CN=robot2')],
        ['part of the name', await authority.issue('CN=robot')],
        ['the name backwards', await authority.issue('CN=robot, O=Example')],
        ['more than the name', await authority.issue('O=Example, CN=robot, OU=x')],
        ['a self-signed certificate', await selfSigned(name)],
        ['an authority of the same name', await impostor.issue(name)],
        ['a server certificate', await authority.issue(name, { usages: [serverUsage] })],
        [
          'an expired certificate',
          await authority.issue(name, { startsIn: -2 * day, expiresIn: -60 }),
        ],
        [
          'a certificate that is not yet valid',
          await authority.issue(name, { startsIn: 60, expiresIn: day }),
        ],
      ] as const) {
        const page = await ask(identity)
        expect(page.status, what).to.equal(401)
        expectRefusal(page, 401, 'invalid_client')
      }
    })
  })
})
