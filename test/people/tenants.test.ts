import { expect } from 'chai'
import { anyStorage, onAnyStorage } from '../support/any-storage.ts'
import { boot, booted, type TestServer } from '../support/boot.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  codeFor,
  expectRefusal,
  introspect,
  redeem,
  refresh,
  type Tokens,
  tokensFor,
  userinfo,
} from '../support/protocol.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { arrive, credentials, expectFault, headingOf, textOf } from './story.ts'

/** The server under the address of a tenant. */
function below(server: TestServer, path: string): TestServer {
  return { ...server, issuer: server.issuer + path }
}

async function metadataAt(address: string): Promise<Record<string, unknown>> {
  const page = await exchange({ method: 'GET', url: new URL(address), headers: {} })
  expect(page.status, address).to.equal(200)
  return page.json() as Record<string, unknown>
}

onAnyStorage('people: a tenant', (kind) => {
  const server = booted(kind)
  let acme: TestServer
  before(async () => {
    acme = below(server, '/t/acme')
    await furnish(server)
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
  })

  it('has its own metadata under every form of its address (RFC 8414 §3.1, OIDC Discovery §4)', async () => {
    for (const address of [
      `${server.issuer}/t/acme/.well-known/openid-configuration`,
      `${server.issuer}/t/acme/.well-known/oauth-authorization-server`,
      `${server.issuer}/.well-known/openid-configuration/t/acme`,
      `${server.issuer}/.well-known/oauth-authorization-server/t/acme`,
      `${server.issuer}/.well-known/oauth-authorization-server/t/acme/`,
    ]) {
      const metadata = await metadataAt(address)
      expect(metadata['issuer'], address).to.equal(acme.issuer)
      for (const [name, value] of Object.entries(metadata)) {
        if (!/_endpoint$|_uri$/.test(name)) continue
        expect(value, name).to.match(/^http:\/\/localhost:\d+\/t\/acme\/\w+/)
      }
    }
  })

  it('has its own keys (ASVS 8.4.1)', async () => {
    const kids = async (issuer: string) =>
      ((await metadataAt(`${issuer}/jwks`))['keys'] as { kid: string }[]).map(({ kid }) => kid)
    const [ours, theirs] = [await kids(server.issuer), await kids(acme.issuer)]
    expect(theirs).to.have.length.greaterThan(0)
    expect(theirs.filter((kid) => ours.includes(kid))).to.deep.equal([])
  })

  for (const algorithm of ['oidc', 'oauth2'] as const) {
    it(`signs a user in from discovery (${algorithm}) to tokens, and out again`, async () => {
      const party = await createRelyingParty({
        issuer: acme.issuer,
        clientId: web.client_id,
        clientSecret: web.client_secret,
        redirectUri: web.redirect_uris[0] as string,
        discovery: algorithm,
      })
      const agent = createUserAgent()
      const request = await party.authorize({ scope: 'openid email', prompt: 'consent' })
      const returned = await agent.walk(request.url, credentials)
      expect(returned.searchParams.get('iss')).to.equal(acme.issuer)
      const tokens = await party.finish(request, returned)
      expect(tokens.claims()?.iss).to.equal(acme.issuer)
      expect(tokens.claims()?.['email']).to.equal(alice.email)

      const cookies = await agent.cookies(`${acme.issuer}/account`)
      for (const { key, path } of cookies) {
        expect(key).to.match(/^keyturn\.acme\./)
        expect(path).to.match(/^\/t\/acme/)
      }
      expect(cookies.map(({ key }) => key)).to.include('keyturn.acme.session')
      expect(await agent.cookies(`${server.issuer}/account`), 'none for the default').to.deep.equal(
        [],
      )

      const account = await agent.follow(await agent.get(`${acme.issuer}/account`))
      expect(textOf(account)).to.include(alice.email)
      expect(account.root.querySelector('link[rel=stylesheet]')?.getAttribute('href')).to.match(
        /^\/t\/acme\/assets\//,
      )
      const left = await agent.follow(await agent.submit(account, { form: '#sign-out-form' }))
      expect(left.url.pathname).to.equal('/t/acme/account/signed-out')
      expect(headingOf(left)).to.equal('You are signed out')
    })
  }

  it('refuses what belongs to another: codes, tokens, cookies, sign-ins (ASVS 8.4.1)', async () => {
    const agent = createUserAgent()
    const tokens: Tokens = await tokensFor(acme, web, {}, agent)
    const code = await codeFor(acme, web, {}, agent)

    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
    expect((await userinfo(server, tokens.access_token)).status).to.equal(401)
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      expect(await introspect(server, web, token)).to.deep.equal({ active: false })
      expect(await introspect(acme, web, token)).to.include({ active: true })
    }
    const hinted = await agent.get(`${server.issuer}/logout?id_token_hint=${tokens.id_token}`)
    expectFault(hinted, 400, /request is not valid/)

    const carried = (await agent.jar.getCookieString(`${acme.issuer}/account`)).replaceAll(
      'keyturn.acme.',
      'keyturn.default.',
    )
    const account = await exchange({
      method: 'GET',
      url: new URL(`${server.issuer}/account`),
      headers: { cookie: carried, accept: 'text/html' },
    })
    expect(account.status, 'not signed in').to.equal(303)

    const begun = await arrive(acme, web)
    const moved = await begun.agent.get(begun.page.url.href.replace('/t/acme', ''))
    expectFault(moved, 400, /has expired/)
    expect((await refresh(acme, web, tokens)).status, 'valid in their own tenant').to.equal(200)
  })

  it('has its own accounts', async () => {
    await server.core.accounts.create('acme', {
      email: 'only-at-acme@example.com',
      password: alice.password,
    })
    const { agent, page } = await arrive(server, web)
    const fields = { username: 'only-at-acme@example.com', password: alice.password }
    expect((await agent.submit(page, { fields })).status).to.equal(403)
  })

  it('is found only if it exists; requests to an unknown one are logged under the id in the response', async () => {
    for (const path of [
      '/t/nobody/',
      '/t/nobody/jwks',
      '/t/ACME/jwks',
      '/t/../t/nobody/jwks',
      // The default tenant has no second address, so a proxy's rules for its paths cannot be bypassed.
      '/t/default/admin/v1/openapi.json',
      '/t/default/jwks',
      '/.well-known/openid-configuration/t/default',
    ]) {
      const page = await exchange({
        method: 'GET',
        url: new URL(server.issuer + path),
        headers: {},
      })
      expect(page.status, path).to.equal(404)
      const { error_id } = JSON.parse(page.body) as { error_id: string }
      expect(page.headers.get('request-id'), path).to.equal(error_id)
      const lines = server
        .logged()
        .split('\n')
        .filter((line) => line.includes(error_id))
      expect(lines, path).to.have.length(2)
      expect(JSON.parse(lines[1] ?? '')).to.include({ msg: 'request', status: 404 })
    }
  })
})

describe('people: an issuer with a path', () => {
  let server: TestServer
  before(async () => {
    const { freePort } = await import('../support/free-port.ts')
    const port = await freePort()
    server = await boot(anyStorage, {
      PORT: String(port),
      ISSUER: `http://localhost:${port}/auth`,
    })
    await furnish(server)
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
  })
  after(() => server?.stop())

  it('has no second address: outside the path there are only probes and metadata (C29)', async () => {
    const { origin } = new URL(server.issuer)
    const metadata = '/.well-known/openid-configuration'
    const statusAt = async (address: string) => (await createUserAgent().get(address)).status
    for (const path of [metadata, '/jwks', '/account', '/admin/v1/openapi.json', '/t/acme/jwks']) {
      expect(await statusAt(`${server.issuer}${path}`), path).to.be.oneOf([200, 303])
      expect(await statusAt(`${origin}${path}`), path).to.equal(404)
    }
    expect(await statusAt(`${origin}${metadata}/t/acme`)).to.equal(404)
    expect(await statusAt(`${origin}/readyz`)).to.equal(200)
    expect(await statusAt(`${origin}/healthz`)).to.equal(200)
  })

  for (const path of ['', '/t/acme']) {
    it(`signs a user in and out below it${path && `, at ${path} too`}`, async () => {
      const at = below(server, path)
      const { origin, pathname } = new URL(at.issuer)
      for (const address of [
        `${at.issuer}/.well-known/openid-configuration`,
        `${origin}/.well-known/oauth-authorization-server${pathname}`,
        `${origin}/.well-known/openid-configuration${pathname}`,
      ]) {
        expect((await metadataAt(address))['issuer']).to.equal(at.issuer)
      }
      const agent = createUserAgent()
      const tokens = await tokensFor(at, web, {}, agent)
      expect((await userinfo(at, tokens.access_token)).status).to.equal(200)
      for (const cookie of await agent.cookies(`${at.issuer}/account`)) {
        expect(cookie.path).to.match(new RegExp(`^${pathname}`))
      }
      const account = await agent.follow(await agent.get(`${at.issuer}/account`))
      expect(account.url.href).to.equal(`${at.issuer}/account`)
      const left = await agent.follow(await agent.submit(account, { form: '#sign-out-form' }))
      expect(left.url.href).to.equal(`${at.issuer}/account/signed-out`)
      const css = left.root.querySelector('link[rel=stylesheet]')?.getAttribute('href') ?? ''
      expect((await agent.get(new URL(css, left.url))).status).to.equal(200)
    })
  }
})
