import { expect } from 'chai'
import type { StoredEvent } from '../../src/audit/event.ts'
import { withOrigin } from '../../src/origin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, furnish, machine, spa, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  codeFor,
  expectRefusal,
  post,
  redeem,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const tenant = 'default'

describe('the audit trail of a sign-in (ASVS 16.2.1, 16.3.1, 16.3.2)', () => {
  const server = booted(anyStorage, {}, furnish)
  let accountId: string
  let seen = 0
  before(async () => {
    accountId = (await server.core.accounts.byIdentifier(tenant, alice.email))?.id as string
  })

  /** Without mail events: mail is sent in the background, at any time. */
  const all = async () => {
    const page = { limit: 1000, order: 'oldest' } as const
    const { events } = await server.core.audit.listEvents(tenant, {}, page)
    return events.filter(({ type }) => type !== 'mail.sent')
  }
  beforeEach(async () => {
    seen = (await all()).length
  })
  const fresh = async () => (await all()).slice(seen)
  const types = (events: StoredEvent[]) => events.map(({ type }) => type)
  const one = async (type: string) => {
    const found = (await fresh()).filter((event) => event.type === type)
    expect(found, type).to.have.length(1)
    return found[0] as StoredEvent
  }

  it('records who signed in, what was allowed and redeemed, from which address and in which request', async () => {
    const agent = createUserAgent({ called: 'Netscape' })
    const code = await codeFor(server, web, { scope: 'openid orders:read', resource: api }, agent)
    const page = await redeem(server, web, code, { resource: api })
    const { access_token } = tokensIn(page)
    remember(access_token)
    expect(types(await fresh())).to.deep.equal([
      'account.signed_in',
      'consent.given',
      'token.issued',
    ])
    const ofAlice = { kind: 'account', id: accountId }
    const signedIn = await one('account.signed_in')
    expect(signedIn).to.deep.include({ actor: ofAlice, outcome: 'success', ip: '127.0.0.1' })
    expect(signedIn.userAgent).to.equal('Netscape')
    expect(server.logged()).to.include(`"request_id":"${signedIn.requestId}"`)

    const consent = await one('consent.given')
    expect(consent).to.deep.include({ accountId, clientId: 'web', actor: ofAlice })
    expect(consent.detail).to.deep.equal({ scopes: ['openid', 'orders:read'], resources: [api] })
    expect(consent.requestId).to.not.equal(signedIn.requestId)

    const issued = await one('token.issued')
    expect(issued).to.deep.include({ accountId, clientId: 'web', ip: '127.0.0.1' })
    expect(issued.actor).to.deep.equal({ kind: 'client', id: 'web' })
    expect(issued.familyId).to.match(/^[\w-]{22}$/)
    expect(issued.requestId).to.equal(page.headers.get('request-id'))
    expect(issued.detail).to.deep.equal({
      grant_type: 'authorization_code',
      scope: 'orders:read',
      resource: [api],
    })
  })

  it('records no scope when the access token has none (RFC 6749 §3.3)', async () => {
    const code = await codeFor(server, web, { scope: 'openid', resource: api })
    expect(tokensIn(await redeem(server, web, code, { resource: api }))).not.to.have.property(
      'scope',
    )
    const { detail } = await one('token.issued')
    expect(detail).to.deep.equal({ grant_type: 'authorization_code', resource: [api] })
  })

  it('records who denied consent and who signed out', async () => {
    const agent = createUserAgent()
    const form = await agent.follow(await agent.get(authorizeUrl(server, spa, {})))
    const credentials = { username: alice.email, password: alice.password }
    const page = await agent.follow(await agent.submit(form, { fields: credentials }))
    await agent.submit(page, { button: '#deny' })
    expect(await one('consent.denied')).to.deep.include({
      accountId,
      clientId: 'spa',
      outcome: 'failure',
      detail: { scopes: ['openid'], resources: [server.issuer] },
    })
    await agent.submit(await agent.get(`${server.issuer}/logout`))
    const out = await one('session.signed_out')
    expect(out).to.deep.include({ accountId, actor: { kind: 'account', id: accountId } })
  })

  it('records a sign-out on the account page', async () => {
    const agent = createUserAgent()
    await tokensFor(server, web, {}, agent)
    const page = await agent.follow(await agent.get(`${server.issuer}/account`))
    await fresh()
    await agent.submit(page, { form: 'form[action$="/account/sign-out"]' })
    const out = await one('session.signed_out')
    expect(out).to.deep.include({ accountId, actor: { kind: 'account', id: accountId } })
  })

  it('counts failed authentications per client, and those of unknown clients in one row', async () => {
    const wrong = { ...web, client_secret: 'not-the-secret-of-this-one' }
    for (let i = 0; i < 3; i++) {
      const fields = { grant_type: 'client_credentials' }
      expectRefusal(await post(server, '/token', wrong, fields), 401, 'invalid_client')
    }
    for (const client_id of ['nobody', 'no-one']) {
      await post(server, '/introspect', { ...wrong, client_id }, { token: 'x' })
    }
    const events = await fresh()
    expect(types(events)).to.deep.equal(Array(2).fill('client.authentication_failed'))
    const [ofWeb, others] = events.toSorted((a) => (a.clientId === undefined ? 1 : -1))
    expect(ofWeb).to.deep.include({
      clientId: 'web',
      outcome: 'failure',
      actor: { kind: 'anybody', id: undefined },
    })
    expect(ofWeb?.detail).to.deep.equal({ endpoint: '/token', count: 3 })
    expect(others?.detail).to.deep.equal({ endpoint: '/introspect', count: 2 })
  })

  it('counts and logs machine tokens without writing an audit row', async () => {
    const before = server.core.counters.read().machine_token_issued
    const fields = { grant_type: 'client_credentials', scope: 'orders:read', resource: api }
    const page = await post(server, '/token', machine, fields)
    tokensIn(page)
    expect(await fresh()).to.deep.equal([])
    expect(server.core.counters.read().machine_token_issued).to.equal(before + 1)
    const line = server
      .logged()
      .split('\n')
      .find((text) => text.includes('"machine token"'))
    expect(JSON.parse(line ?? '{}')).to.include({
      request_id: page.headers.get('request-id'),
      client_id: machine.client_id,
      scope: 'orders:read',
    })
  })

  it('records which members a command changed, without their values', async () => {
    const secret = 'a-secret-that-nobody-may-read'
    remember(secret)
    const declare = (work: () => Promise<unknown>) => withOrigin({ command: 'apply' }, work)
    const { clients, accounts, resources, tenants } = server.core
    const changed = { ...web, client_name: 'Another name', client_secret: secret }
    await declare(() => clients.declare(tenant, changed))
    await declare(() => clients.declare(tenant, changed))
    await declare(() => clients.rotateSecret(tenant, 'web', 60))
    await declare(() => accounts.declare(tenant, { email: alice.email, name: 'Alice Pleasance' }))
    await declare(() => accounts.declare(tenant, { email: 'bob@example.com', name: 'Bob' }))
    const scopes = ['a:read']
    await declare(() => resources.declare(tenant, { identifier: 'https://a.example', scopes }))
    await declare(() => tenants.declare({ id: tenant, name: 'First' }))
    const events = await fresh()
    for (const { actor } of events) expect(actor).to.deep.equal({ kind: 'operator', id: 'apply' })
    expect(
      events.map(({ type, clientId, detail }) => [type, clientId, detail?.['members']]),
    ).to.deep.equal([
      ['client.updated', 'web', ['client_name', 'client_secret']],
      ['client.secret_rotated', 'web', undefined],
      ['account.updated', undefined, ['name']],
      ['account.created', undefined, ['email', 'name']],
      ['resource_server.created', undefined, events[4]?.detail?.['members']],
      ['tenant.updated', undefined, ['name']],
    ])
    expect(events[4]?.detail).to.include({ resource_server: 'https://a.example' })
    expect(JSON.stringify(events)).to.not.include('Another name').and.not.include(secret)
  })
})
