import { expect } from 'chai'
import { isDomainError } from '../../src/errors.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish, spa, web } from '../support/fixtures.ts'
import {
  hostileLoopbackRedirects,
  hostileRedirects,
  refusedRegistrations,
  registered,
} from '../support/hostile-redirects.ts'
import {
  authorizeUrl,
  codeFor,
  encode,
  expectErrorPage,
  expectRefusal,
  redeem,
  tokensFor,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const app = { client_id: 'app', client_name: 'App', token_endpoint_auth_method: 'none' }
const native = { ...app, client_id: 'native', application_type: 'native' }
const native6 = { ...native, client_id: 'native6' }
const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code'
const privateUse = 'com.example.app:/callback'
const credentials = { username: alice.email, password: alice.password }

onAnyStorage('redirect URIs', (kind) => {
  const server = booted(kind, {}, furnish)
  const agent = createUserAgent()
  const ask = (client: { client_id: string }, redirect_uri: string | string[] | undefined) =>
    agent.get(authorizeUrl(server, client, { redirect_uri }))

  before(async () => {
    await server.core.clients.declare(defaultTenant, { ...app, redirect_uris: [registered] })
    await server.core.clients.declare(defaultTenant, {
      ...native6,
      redirect_uris: ['http://[::1]/native'],
    })
    await server.core.clients.declare(defaultTenant, {
      ...native,
      redirect_uris: ['http://127.0.0.1/native', privateUse],
    })
  })

  it(`are compared exactly: ${hostileRedirects.length} similar ones are refused (P-001, C1, ASVS 10.4.1)`, async () => {
    expect(hostileRedirects.length).to.be.at.least(150)
    expect(hostileRedirects).not.to.include(registered)
    for (const uri of hostileRedirects) expectErrorPage(await ask(app, uri))
    expect((await ask(app, registered)).status).to.equal(303)
  })

  it('may differ only in the port, on loopback (P-001, RFC 8252 §7.3)', async () => {
    for (const uri of hostileLoopbackRedirects) expectErrorPage(await ask(native, uri))
    for (const port of ['', ':1', ':4711', ':65535']) {
      expect((await ask(native, `http://127.0.0.1${port}/native`)).status).to.equal(303)
      expect((await ask(native6, `http://[::1]${port}/native`)).status).to.equal(303)
    }
  })

  it('of native clients on loopback match with and without the slash of an empty path (K-03)', async () => {
    for (const [i, uri] of ['http://127.0.0.1', 'http://[::1]/', 'http://localhost'].entries()) {
      const bare = { ...native, client_id: `bare${i}`, redirect_uris: [uri] }
      await server.core.clients.declare(defaultTenant, bare)
      const host = uri.replace(/\/$/, '')
      for (const asked of [host, `${host}/`, `${host}:4711`, `${host}:4711/`]) {
        expect((await ask(bare, asked)).status, asked).to.equal(303)
      }
      for (const other of [`${host}:4711//`, `${host}:4711/x`, `${host}:4711?`, `${host}:0/`]) {
        expectErrorPage(await ask(bare, other))
      }
    }
  })

  it(`for log-out are compared exactly: ${hostileRedirects.length} similar ones are refused (P-069, C1, K-46)`, async () => {
    expect(hostileRedirects.length).to.be.at.least(150)
    const bye = { ...app, client_id: 'bye', redirect_uris: [registered] }
    await server.core.clients.declare(defaultTenant, {
      ...bye,
      post_logout_redirect_uris: [registered],
    })
    const out = (post_logout_redirect_uri: string) =>
      agent.get(`${server.issuer}/logout?${encode({ client_id: 'bye', post_logout_redirect_uri })}`)
    for (const uri of hostileRedirects.filter(Boolean)) {
      const page = await out(uri)
      expect(page.status, JSON.stringify(uri)).to.equal(400)
      expect(page.headers.has('location')).to.equal(false)
    }
    expect((await out(registered)).location?.href).to.equal(registered)
  })

  it('may be http only on loopback, and never vary for web clients (P-004)', async () => {
    for (const uri of ['http://localhost/callback', 'http://localhost:10/callback']) {
      expectErrorPage(await ask(web, uri))
    }
    expectErrorPage(await ask(app, registered.replace('https', 'http')))
  })

  it('must be present exactly once (P-003, P-005)', async () => {
    expectErrorPage(await ask(spa, undefined))
    expectErrorPage(await ask(app, undefined))
    expectErrorPage(await ask(app, [registered, registered]))
    expectErrorPage(await ask(app, [registered, 'https://evil.example/']))
  })

  it('are not followed for an unknown client (P-003)', async () => {
    for (const client_id of ['nobody', 'WEB', 'web ', '', '\0', 'x'.repeat(5000), "' or 1=1"]) {
      expectErrorPage(await ask({ client_id }, registered))
    }
    expectErrorPage(await agent.get(authorizeUrl(server, app, { client_id: undefined })))
    const twice = { client_id: [app.client_id, web.client_id], redirect_uri: registered }
    expectErrorPage(await agent.get(authorizeUrl(server, app, twice)))
  })

  it('with private-use schemes and on loopback work for native clients (P-029)', async () => {
    for (const redirect_uri of [privateUse, 'http://127.0.0.1:4711/native']) {
      const tokens = await tokensFor(server, native, { redirect_uri })
      expect(tokens.id_token).to.be.a('string')
    }
    expectErrorPage(await ask(native, 'com.example.app:/callback2'))
    expectErrorPage(await ask(native, 'com.example.app://callback'))
    expectErrorPage(await ask(native, 'COM.example.app:/callback'))
  })

  it('removed during a sign-in receive no response, and neither does a removed response type', async () => {
    const moving = { ...app, client_id: 'moving', redirect_uris: [registered, `${registered}/new`] }
    const removals = [
      { redirect_uris: [`${registered}/new`] },
      { grant_types: [deviceCode], response_types: [] },
    ]
    for (const removed of removals) {
      for (const form of ['#login-form', '#cancel-form']) {
        await server.core.clients.declare(defaultTenant, moving)
        const browser = createUserAgent()
        const page = await browser.follow(
          await browser.get(authorizeUrl(server, moving, { redirect_uri: registered })),
        )
        await server.core.clients.declare(defaultTenant, { ...moving, ...removed })
        expectErrorPage(
          await browser.follow(
            await browser.submit(page, { form, fields: form === '#login-form' ? credentials : {} }),
          ),
        )
      }
    }
  })

  it('must be the same at the token endpoint (P-044, RFC 6749 §4.1.3)', async () => {
    const other = ['http://localhost:10/callback', registered, '', undefined]
    for (const redirect_uri of other) {
      const page = await redeem(server, web, await codeFor(server, web), { redirect_uri })
      expect(page.status).to.equal(400)
    }
    const port = { redirect_uri: 'http://127.0.0.1:4711/native' }
    const code = await codeFor(server, native, port)
    expectRefusal(
      await redeem(server, native, code, { redirect_uri: 'http://127.0.0.1:4712/native' }),
      400,
      'invalid_grant',
    )
  })

  it('cannot be replaced by another parameter: none redirects elsewhere (P-002)', async () => {
    const evils = [
      'https://evil.example/',
      '//evil.example',
      '/\\\\evil.example',
      'javascript:alert(1)',
    ]
    const names = `request_uri returnTo return_to next url redirect continue login_hint ui_locales
      target_link_uri post_logout_redirect_uri id_token_hint web_message_uri
      redirect_uri state iss user_code resource response_mode error_uri logo_uri client_id`.split(
      /\s+/,
    )
    const paths =
      `/ /authorize /authorize/x /logout /logout/success /account /account/callback /jwks /device
      /interaction/x /interaction/x/login /userinfo /token /par /healthz`.split(/\s+/)
    for (const path of paths) {
      for (const [i, name] of names.entries()) {
        const evil = encodeURIComponent(evils[i % evils.length] as string)
        const page = await agent.get(`${server.issuer}${path}?${name}=${evil}`)
        const target = page.location?.origin ?? server.issuer
        expect(target, `${path} ${name}`).to.equal(server.issuer)
        expect(page.status, `${path} ${name}`).to.be.below(500)
      }
    }
  })

  describe('at registration', () => {
    const declare = (member: string, uri: string, application_type: string) =>
      server.core.clients
        .declare(defaultTenant, {
          client_id: 'dangerous',
          application_type,
          token_endpoint_auth_method: 'none',
          redirect_uris: [registered],
          [member]: [registered, uri],
        })
        .then(
          () => 'accepted',
          (error: unknown) => isDomainError(error, 'client_invalid') || String(error),
        )

    for (const member of ['redirect_uris', 'post_logout_redirect_uris']) {
      it(`dangerous ${member} are refused (P-004, C1)`, async () => {
        for (const uri of refusedRegistrations) {
          for (const type of ['web', 'native']) {
            expect(await declare(member, uri, type), `${type} ${JSON.stringify(uri)}`).to.equal(
              true,
            )
          }
        }
        expect(await server.core.clients.find(defaultTenant, 'dangerous')).to.equal(undefined)
      })
    }

    it('a private-use scheme is accepted from native clients only (RFC 8252 §7.1)', async () => {
      expect(await declare('redirect_uris', privateUse, 'web')).to.equal(true)
      expect(await declare('redirect_uris', 'myapp:/callback', 'native')).to.equal(true)
      expect(await declare('redirect_uris', privateUse, 'native')).to.equal('accepted')
    })
  })
})
