import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, callback, furnish, machine, ordersApi, spa } from '../support/fixtures.ts'
import {
  expectRefusal,
  type Fields,
  introspect,
  post,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { sendForm, throughStack, tokenForm } from '../support/stack.ts'

const mail = 'https://mail.example.com'
const base = { ...machine, client_secret: 'a-secret-of-a-certain-length' }
const clients = {
  both: { ...base, client_id: 'both', scope: 'orders:read orders:write mail:send' },
  listed: { ...base, client_id: 'listed', scope: 'orders:read mail:send', resources: [mail] },
  scopeless: {
    client_id: 'scopeless',
    client_secret: base.client_secret,
    grant_types: base.grant_types,
  },
  ofPeopleToo: {
    ...base,
    client_id: 'of-people-too',
    redirect_uris: [callback],
    grant_types: ['authorization_code', ...base.grant_types],
    scope: 'openid orders:read',
  },
  listedScopeless: {
    client_id: 'listed-scopeless',
    client_secret: base.client_secret,
    grant_types: base.grant_types,
    resources: [api],
  },
}

onAnyStorage('client credentials', (kind) => {
  const server = booted(kind, {}, furnish)
  before(async () => {
    await server.core.resources.declare(defaultTenant, {
      identifier: mail,
      scopes: ['mail:send', 'mail:read'],
      access_token_format: 'opaque',
    })
    for (const client of Object.values(clients))
      await server.core.clients.declare(defaultTenant, client)
  })

  const ask = (client: { client_id: string }, fields: Fields) =>
    post(server, '/token', client, { grant_type: 'client_credentials', ...fields })

  it('issue an access token for the client itself and no refresh token (P-051, P-056)', async () => {
    const tokens = tokensIn(await ask(machine, { resource: api, scope: 'orders:read' }))
    expect(tokens).to.have.all.keys('access_token', 'expires_in', 'scope', 'token_type')
    const claims = decodeJwt(tokens.access_token)
    expect(decodeProtectedHeader(tokens.access_token).typ).to.equal('at+jwt')
    expect(claims).to.include({
      iss: server.issuer,
      aud: api,
      sub: machine.client_id,
      client_id: machine.client_id,
      scope: 'orders:read',
    })
    expect(claims).not.to.have.any.keys('auth_time', 'acr', 'amr', 'sid')
    expect(await introspect(server, ordersApi, tokens.access_token)).to.include({
      active: true,
      sub: machine.client_id,
    })
  })

  it('grant all scopes of the client when none is requested (architecture §7, RFC 6749 §3.3)', async () => {
    const granted = tokensIn(await ask(clients.both, { resource: api }))
    expect(granted.scope?.split(' ')).to.have.members(['orders:read', 'orders:write'])
    expect(tokensIn(await ask(clients.both, { resource: mail })).scope).to.equal('mail:send')
    const ofMachine = { grant_type: 'client_credentials', resource: api }
    const form = tokenForm(ofMachine, clients.ofPeopleToo)
    for (const each of [form, throughStack(form)])
      expect(tokensIn(await sendForm(server, each)).scope).to.equal('orders:read')
  })

  it('grant no scope to a client without registered scopes (architecture §7)', async () => {
    expectRefusal(await ask(clients.scopeless, { resource: api }), 400, 'invalid_target')
    const empty = tokensIn(await ask(clients.listedScopeless, { resource: api }))
    expect(empty).not.to.have.property('scope')
    expect(decodeJwt(empty.access_token)).not.to.have.property('scope')
    for (const scope of ['orders:read', 'openid', 'mail:send']) {
      const page = await ask(clients.listedScopeless, { resource: api, scope })
      expectRefusal(page, 400, 'invalid_scope')
    }
  })

  it('refuse scopes not registered for the client or not defined by the resource (ASVS 10.4.11)', async () => {
    const wrong = [
      'orders:write',
      'orders:read orders:write',
      'mail:send',
      'openid',
      'offline_access',
      'x',
    ]
    for (const scope of [...wrong, 'orders:read openid', 'ORDERS:READ', 'a"b']) {
      expectRefusal(await ask(machine, { resource: api, scope }), 400, 'invalid_scope')
    }
    const crossed = await ask(clients.both, { resource: api, scope: 'orders:read mail:send' })
    expectRefusal(crossed, 400, 'invalid_scope')
  })

  it('refuse resources that are unknown or not allowed for the client (architecture §7, P-028, ASVS 9.2.6)', async () => {
    for (const resource of ['https://unknown.example', `${api}/`, `${api}#x`, 'api', [api, mail]]) {
      expectRefusal(await ask(clients.both, { resource }), 400, 'invalid_target')
    }
    expectRefusal(await ask(machine, { resource: mail }), 400, 'invalid_target')
    expectRefusal(await ask(clients.listed, { resource: api }), 400, 'invalid_target')
    const reached = tokensIn(await ask(clients.listed, { resource: mail }))
    expect(reached.scope).to.equal('mail:send')
  })

  it('require client authentication (P-051)', async () => {
    expectRefusal(await ask(spa, {}), 400, 'unauthorized_client')
    const declared = server.core.clients.declare(defaultTenant, {
      client_id: 'public-machine',
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'none',
    })
    const error = await declared.then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    expect(error).to.include({ code: 'client_invalid' })
  })

  it('issue a token without a user: userinfo refuses it (ASVS 10.3, P-064)', async () => {
    const { access_token } = tokensIn(await ask(machine, {}))
    expect(decodeJwt(access_token).aud).to.equal(server.issuer)
    const page = await userinfo(server, access_token)
    expect(page.status).to.be.oneOf([401, 403])
    expect(page.headers.get('www-authenticate')).to.match(
      /error="(invalid_token|insufficient_scope)"/,
    )
  })

  it('issue an opaque token where the resource server wants one, revocable like a JWT (K-21)', async () => {
    const { access_token } = tokensIn(await ask(clients.both, { resource: mail }))
    expect(access_token).not.to.include('.')
    expect(await introspect(server, clients.both, access_token)).to.include({
      active: true,
      aud: mail,
      client_id: 'both',
    })
    const page = await post(server, '/revoke', clients.both, { token: access_token })
    expect(page.status).to.equal(200)
    expect(await introspect(server, clients.both, access_token)).to.deep.equal({ active: false })
  })
})
