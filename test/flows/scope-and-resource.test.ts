import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted, type TestServer } from '../support/boot.ts'
import { allowDevice, askFor, startDevice } from '../support/devices.ts'
import { alice, api, furnish, machine, spa, tv, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  codeFor,
  expectRefusal,
  expectReturned,
  type Fields,
  introspect,
  post,
  redeem,
  refresh,
  signIn,
  type Tokens,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { sendForm, throughStack } from '../support/stack.ts'
import { createUserAgent } from '../support/user-agent.ts'

const mail = 'https://mail.example.com'
/** A client with a narrow scope and one resource. */
const limited = {
  ...spa,
  client_id: 'limited',
  scope: 'openid orders:read',
  resources: [api],
}
/** A client for OAuth without OpenID. */
const pure = { ...spa, client_id: 'pure', scope: 'orders:read' }
/** A client without the refresh_token grant. */
const brief = { ...spa, client_id: 'brief', grant_types: ['authorization_code'] }

onAnyStorage('scope and resource', (kind) => {
  const server = booted(kind, {}, furnish)
  const agent = createUserAgent()
  before(async () => {
    await server.core.resources.declare(defaultTenant, {
      identifier: mail,
      scopes: ['mail:send'],
      access_token_format: 'opaque',
    })
    for (const client of [limited, pure, brief])
      await server.core.clients.declare(defaultTenant, client)
  })

  const ask = (client: { client_id: string }, fields: Fields) =>
    agent.get(authorizeUrl(server, client, fields))
  const scopesOf = (token: string) => (decodeJwt(token)['scope'] as string).split(' ')

  it('a request without scope gets the default scope, with or without nonce and state (K-01)', async () => {
    const bare = { scope: undefined, nonce: undefined, state: undefined }
    for (const fields of [{ scope: undefined }, { scope: '' }, bare]) {
      const tokens = await tokensFor(server, web, fields, agent)
      expect(tokens.id_token).to.be.a('string')
      expect(scopesOf(tokens.access_token)).to.deep.equal(['openid'])
    }
  })

  it('the default is the registered scope, if there is one (K-01)', async () => {
    const tokens = await tokensFor(server, limited, { scope: undefined, resource: api }, agent)
    expect(tokens.id_token).to.be.a('string')
    expect(scopesOf(tokens.access_token)).to.deep.equal(['orders:read'])
  })

  it('the default may lack openid; a nonce is then ignored (K-01)', async () => {
    for (const nonce of ['the-nonce', undefined]) {
      const tokens = await tokensFor(
        server,
        pure,
        { scope: undefined, resource: api, nonce },
        agent,
      )
      expect(tokens).not.to.have.property('id_token')
      expect(scopesOf(tokens.access_token)).to.deep.equal(['orders:read'])
    }
  })

  it('without openid there is no ID token (P-027)', async () => {
    const tokens = await tokensFor(
      server,
      web,
      { scope: 'orders:read', resource: api, nonce: undefined },
      agent,
    )
    expect(tokens).not.to.have.property('id_token')
    expect(tokens.refresh_token).to.be.a('string')
    expect(scopesOf(tokens.access_token)).to.deep.equal(['orders:read'])
  })

  it('an unknown scope is omitted, as the response shows; an unregistered one is refused (ASVS 10.4.11, P-041)', async () => {
    const tokens = await tokensFor(server, web, { scope: 'openid nonsense' }, agent)
    expect(tokens.scope?.split(' ')).to.deep.equal(['openid'])
    await signIn(server, limited, {}, agent)
    // If no requested scope exists, the error comes before a sign-in.
    const nothing = { scope: 'nonsense more', nonce: undefined }
    const page = await createUserAgent().get(authorizeUrl(server, web, nothing))
    expectReturned(page, 'invalid_scope')
    expect(page.location?.searchParams.get('error_description')).to.match(/send it in resource$/)
    expectReturned(await ask(web, { ...nothing, resource: api }), 'invalid_scope')
    for (const scope of ['openid email', 'openid orders:write', 'orders:read orders:write']) {
      expectReturned(
        await ask(limited, { scope, resource: api, nonce: undefined }),
        'invalid_scope',
      )
    }
    expectReturned(await ask(limited, { scope: 'openid', resource: mail }), 'invalid_target')
  })

  it('offline_access without prompt=consent is honoured after consent (K-06)', async () => {
    for (const client of [web, spa]) {
      const fresh = createUserAgent()
      const first = await fresh.follow(await fresh.get(authorizeUrl(server, client)))
      expect(first.status).to.equal(200)
      const asked = { scope: 'openid offline_access' }
      const tokens = await tokensFor(server, client, asked, fresh)
      expect(tokens.refresh_token).to.be.a('string')
      expect(tokens.scope?.split(' ')).to.include('offline_access')
    }
  })

  it('a client without the refresh_token grant gets no refresh token (ASVS 10.4.4)', async () => {
    for (const prompt of [undefined, 'consent']) {
      const fields = { scope: 'openid offline_access', prompt }
      expect(await tokensFor(server, brief, fields, agent)).not.to.have.property('refresh_token')
    }
  })

  it('a resource must be known and an absolute URI without a fragment (P-028, ASVS 9.2.6)', async () => {
    const wrong = `https://unknown.example ${api}/ ${api}#f HTTPS://api.example.com /api api * javascript:x`
    for (const resource of wrong.split(' ')) {
      expectReturned(await ask(web, { resource }), 'invalid_target')
    }
    expectReturned(await ask(web, { resource: [api, 'https://unknown.example'] }), 'invalid_target')
  })

  it('an empty resource parameter is ignored (P-028, RFC 6749 §3.1, §3.2)', async () => {
    const audience = async (page: Promise<Page>) => decodeJwt(tokensIn(await page).access_token).aud
    const narrow = { scope: 'openid orders:read', resource: ['', api] }
    const machines = (...resource: string[]) =>
      post(server, '/token', machine, { grant_type: 'client_credentials', resource })
    for (const resource of [['', api], [api, '', ''], ['', ''], ''] as const) {
      const code = await codeFor(server, web, narrow, agent)
      expect(await audience(redeem(server, web, code, { resource }))).to.equal(api)
    }
    expect(await audience(machines('', api))).to.equal(api)
    expect(await audience(machines('', ''))).to.equal(server.issuer)
    expectRefusal(await machines('', api, mail), 400, 'invalid_target')
    const none = await codeFor(server, web, { resource: ['', ''] }, agent)
    expect(await audience(redeem(server, web, none))).to.equal(server.issuer)
    for (const [path, client] of [
      ['/par', web],
      ['/device_authorization', tv],
    ] as const) {
      const asked = Object.fromEntries(new URL(authorizeUrl(server, client)).searchParams)
      const page = await post(server, path, client, { ...asked, resource: ['', api] })
      expect(page.status, page.body).to.be.oneOf([200, 201])
    }
  })

  it('a repeated resource counts once (RFC 8707 §2)', async () => {
    const twice = { resource: [api, api] }
    const nothing = { ...twice, scope: 'nonsense', nonce: undefined }
    expectReturned(await ask(web, nothing), 'invalid_scope')
    const code = await codeFor(server, web, { ...twice, scope: 'openid orders:read' }, agent)
    const held = tokensIn(await redeem(server, web, code, twice))
    const again = tokensIn(await refresh(server, web, held, twice))
    const fields = { ...twice, grant_type: 'client_credentials' }
    const ofMachine = tokensIn(await post(server, '/token', machine, fields))
    for (const { access_token } of [held, again, ofMachine])
      expect(decodeJwt(access_token).aud).to.equal(api)
  })

  it('the audience is the resource, one for each token (P-028, P-056)', async () => {
    const both = { scope: 'openid orders:read mail:send', resource: [api, mail] }
    const code = await codeFor(server, web, both, agent)
    const ofMail = tokensIn(await redeem(server, web, code, { resource: mail }))
    expect(ofMail.access_token).not.to.include('.')
    expect(await introspect(server, web, ofMail.access_token)).to.include({
      active: true,
      aud: mail,
      scope: 'mail:send',
    })
    const again = await codeFor(server, web, both, agent)
    const ofApi = tokensIn(await redeem(server, web, again, { resource: api }))
    expect(decodeJwt(ofApi.access_token).aud).to.equal(api)
    expect(scopesOf(ofApi.access_token)).to.deep.equal(['orders:read'])
  })

  it('the token endpoint narrows the resource and never widens it (P-028)', async () => {
    const narrow = { scope: 'openid orders:read', resource: api }
    for (const resource of [mail, 'https://unknown.example', `${api}/`, [api, mail]]) {
      const code = await codeFor(server, web, narrow, agent)
      expectRefusal(await redeem(server, web, code, { resource }), 400, 'invalid_target')
    }
    const without = await codeFor(server, web, {}, agent)
    expectRefusal(await redeem(server, web, without, { resource: api }), 400, 'invalid_target')
  })

  it('a resource given only at the authorization endpoint applies to the token (P-028)', async () => {
    const fields = { scope: 'openid orders:read', resource: api }
    const { access_token } = await tokensFor(server, web, fields, agent)
    expect(decodeJwt(access_token).aud).to.equal(api)
  })

  it('the declared default resource server applies if no resource is given (architecture §7)', async () => {
    const declaration = { identifier: mail, scopes: ['mail:send'], default: true }
    await server.core.resources.declare(defaultTenant, declaration)
    const tokens = await tokensFor(server, web, { scope: 'openid email mail:send' }, agent)
    expect(decodeJwt(tokens.access_token).aud).to.equal(mail)
    const page = await agent.get(`${server.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    expect(page.status, page.body).to.equal(200)
  })

  describe('when another resource server becomes the default (architecture §7)', () => {
    const all = { scope: 'openid email offline_access' }
    const files = 'https://files.example.com'
    const declare = (tenant: string, identifier: string, scope: string) =>
      server.core.resources.declare(tenant, { identifier, scopes: [scope], default: true })

    async function newTenant(id: string): Promise<TestServer> {
      await server.core.tenants.declare({ id, name: id })
      await furnish(server, id)
      return { ...server, issuer: `${server.issuer}/t/${id}` }
    }

    /** Expects a token for `aud`, and that userinfo accepts it or not. */
    async function expectToken(at: TestServer, token: string, aud: string, isForUserinfo = true) {
      expect(decodeJwt(token).aud).to.equal(aud)
      const headers = { authorization: `Bearer ${token}` }
      const form = { method: 'GET', path: '/userinfo', body: '', headers }
      for (const each of [form, throughStack(form)]) {
        const page = await sendForm(at, each)
        expect(page.status, page.body).to.equal(isForUserinfo ? 200 : 401)
        if (isForUserinfo) expect(page.json()).to.include({ email: alice.email })
      }
    }

    /** Expects the same of two successive refreshes. */
    async function expectRefreshed(
      at: TestServer,
      client: typeof web | typeof spa | typeof tv,
      held: Tokens,
      aud: string,
    ) {
      const first = tokensIn(await refresh(at, client, held))
      const second = tokensIn(await refresh(at, client, first))
      for (const { access_token } of [first, second]) await expectToken(at, access_token, aud)
      return second
    }

    it('tokens for the issuer stay valid for the issuer', async () => {
      const at = await newTenant('first')
      const user = createUserAgent()
      const held = await tokensFor(at, web, all, user)
      const ofSpa = await tokensFor(at, spa, all, user)
      const both = { scope: `${all.scope} orders:read`, resource: [api, at.issuer] }
      const ofBoth = await tokensFor(at, web, both, user)
      const codes = [await codeFor(at, web, all, user), await codeFor(at, web, both, user)]
      const started = await startDevice(at, all)
      await declare('first', files, 'files:read')

      expect(await introspect(at, web, held.access_token)).to.include({ active: true })
      await expectToken(at, held.access_token, at.issuer)
      await expectRefreshed(at, web, held, at.issuer)
      await expectRefreshed(at, spa, ofSpa, at.issuer)
      const last = await expectRefreshed(at, web, ofBoth, at.issuer)
      const ofApi = tokensIn(await refresh(at, web, last, { resource: api }))
      await expectToken(at, ofApi.access_token, api, false)
      for (const code of codes) {
        const redeemed = tokensIn(await redeem(at, web, code))
        await expectToken(at, redeemed.access_token, at.issuer)
      }
      await allowDevice(at, started, user)
      const ofDevice = tokensIn(await askFor(at, started))
      await expectToken(at, ofDevice.access_token, at.issuer)
      await expectRefreshed(at, tv, ofDevice, at.issuer)
      await expectToken(at, (await tokensFor(at, web, all, user)).access_token, files)
    })

    it('tokens for the previous default keep the OpenID scopes, even after its deletion', async () => {
      const at = await newTenant('moved')
      await declare('moved', mail, 'mail:send')
      const user = createUserAgent()
      const wide = { scope: `${all.scope} mail:send` }
      const held = await tokensFor(at, web, wide, user)
      const both = { scope: `${wide.scope} orders:read`, resource: [api, mail] }
      const ofBoth = await tokensFor(at, web, both, user)
      const onlyApi = await tokensFor(at, spa, { scope: 'openid orders:read', resource: api }, user)
      const code = await codeFor(at, web, wide, user)
      await declare('moved', files, 'files:read')

      await expectToken(at, held.access_token, mail)
      const later = await expectRefreshed(at, web, held, mail)
      expect(scopesOf(later.access_token)).to.have.members([
        'openid',
        'email',
        'offline_access',
        'mail:send',
      ])
      const laterOfBoth = await expectRefreshed(at, web, ofBoth, mail)
      await expectToken(at, tokensIn(await redeem(at, web, code)).access_token, mail)

      await server.core.resources.delete('moved', mail)
      await expectToken(at, later.access_token, mail)
      const last = await expectRefreshed(at, web, later, at.issuer)
      expect(scopesOf(last.access_token)).to.have.members(['openid', 'email', 'offline_access'])
      await expectRefreshed(at, web, laterOfBoth, at.issuer)

      // This token never gave access to userinfo.
      await expectToken(at, onlyApi.access_token, api, false)
      await server.core.resources.delete('moved', api)
      expectRefusal(await refresh(at, spa, onlyApi), 400, 'invalid_target')
    })
  })
})
