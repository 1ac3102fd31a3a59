import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, furnish, ordersApi, spa, web } from '../support/fixtures.ts'
import {
  expectRefusal,
  introspect,
  refresh,
  type StoryClient,
  type Tokens,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const mail = 'https://mail.example.com'
const offline = { scope: 'openid email offline_access' }
const inactive = { active: false }

onAnyStorage('refresh tokens', (kind) => {
  // The replay window has its own tests.
  const server = booted(kind, { REFRESH_REPLAY_WINDOW: '0' }, furnish)
  const agent = createUserAgent()
  before(() =>
    server.core.resources.declare(defaultTenant, { identifier: mail, scopes: ['mail:send'] }),
  )

  const turn = async (client: StoryClient, tokens: Tokens, fields = {}) =>
    tokensIn(await refresh(server, client, tokens, fields))

  for (const client of [web, spa]) {
    it(`always rotate for ${client.client_id} (P-046, P-050, ASVS 10.4.5)`, async () => {
      let tokens = await tokensFor(server, client, offline, agent)
      const seen = new Set([tokens.refresh_token])
      for (let i = 0; i < 5; i++) {
        tokens = await turn(client, tokens)
        // keycloak-js decodes the second part, an empty object; a value with two dots would be taken for a JWT.
        expect(tokens.refresh_token).to.match(/^[\w-]{87}\.e30$/)
        seen.add(tokens.refresh_token)
      }
      expect(seen.size).to.equal(6)
    })

    it(`used again end the family of ${client.client_id} (P-046, ASVS 10.4.5)`, async () => {
      const first = await tokensFor(server, client, offline, agent)
      const second = await turn(client, first)
      const third = await turn(client, second)
      expectRefusal(await refresh(server, client, first), 400, 'invalid_grant')
      expectRefusal(await refresh(server, client, third), 400, 'invalid_grant')
      if (client === web) {
        for (const { access_token } of [first, second, third]) {
          expect(await introspect(server, web, access_token)).to.deep.equal(inactive)
        }
      }
    })
  }

  it('belong to one client; an attempt by another client ends nothing (P-046)', async () => {
    for (const [owner, thief] of [
      [web, spa],
      [spa, web],
    ] as [StoryClient, StoryClient][]) {
      const tokens = await tokensFor(server, owner, offline, agent)
      expectRefusal(await refresh(server, thief, tokens), 400, 'invalid_grant')
      await turn(owner, tokens)
    }
  })

  it('of one family do not affect another (P-046)', async () => {
    const kept = await tokensFor(server, web, offline, agent)
    const reused = await tokensFor(server, web, offline, agent)
    await turn(web, await turn(web, reused))
    expectRefusal(await refresh(server, web, reused), 400, 'invalid_grant')
    await turn(web, kept)
  })

  it('can narrow the scope of one access token, and never widen it (P-047)', async () => {
    const asked = { scope: 'openid orders:read orders:write offline_access', resource: api }
    const tokens = await tokensFor(server, web, asked, agent)
    const narrow = await turn(web, tokens, { scope: 'orders:read' })
    expect(decodeJwt(narrow.access_token)['scope']).to.equal('orders:read')
    expect(narrow.scope).to.equal('orders:read')
    const whole = await turn(web, narrow)
    expect((decodeJwt(whole.access_token)['scope'] as string).split(' ')).to.have.members([
      'orders:read',
      'orders:write',
    ])
    for (const scope of ['orders:read mail:send', 'email', 'orders:read profile', 'a"b', 'x\\y']) {
      expectRefusal(await refresh(server, web, whole, { scope }), 400, 'invalid_scope')
    }
    await turn(web, whole)
  })

  it('can narrow the resource, and never widen it (P-046, P-028)', async () => {
    const both = { scope: 'openid orders:read mail:send offline_access', resource: [api, mail] }
    let tokens = await tokensFor(server, web, both, agent)
    for (const resource of [mail, api, mail]) {
      tokens = await turn(web, tokens, { resource })
      expect(decodeJwt(tokens.access_token).aud).to.equal(resource)
    }
    const narrow = { scope: 'openid orders:read offline_access', resource: api }
    const bound = await tokensFor(server, web, narrow, agent)
    for (const resource of [
      mail,
      server.issuer,
      'https://unknown.example',
      `${api}/`,
      [api, mail],
    ]) {
      expectRefusal(await refresh(server, web, bound, { resource }), 400, 'invalid_target')
    }
    const next = await turn(web, bound)
    expect(decodeJwt(next.access_token).aud).to.equal(api)
  })

  it('return an ID token with the same iss, sub, aud and auth_time (P-058, K-26)', async () => {
    const tokens = await tokensFor(server, web, offline, agent)
    const first = decodeJwt(tokens.id_token ?? '')
    const again = decodeJwt((await turn(web, tokens)).id_token ?? '')
    for (const name of ['iss', 'sub', 'aud', 'auth_time']) {
      expect(first[name], name).not.to.equal(undefined)
      expect(again[name], name).to.equal(first[name])
    }
    expect(again.exp).to.be.at.least(first.exp ?? 0)
  })

  it('bound to the session end with it, those with offline_access do not (architecture §6, ASVS 7.4.1)', async () => {
    const browser = createUserAgent()
    const bound = await tokensFor(
      server,
      web,
      { scope: 'openid orders:read', resource: api },
      browser,
    )
    const stays = await tokensFor(server, spa, { ...offline, resource: api }, browser)
    const turned = await turn(web, bound)
    const page = await browser.get(`${server.issuer}/account`)
    const account = await browser.follow(page)
    expect(account.status).to.equal(200)
    const out = await browser.submit(account, { form: 'form[action$=sign-out]' })
    expect(out.status).to.equal(303)

    expectRefusal(await refresh(server, web, turned), 400, 'invalid_grant')
    for (const { access_token } of [bound, turned]) {
      expect(await introspect(server, ordersApi, access_token)).to.deep.equal(inactive)
    }
    expect(await introspect(server, web, turned.refresh_token)).to.deep.equal(inactive)
    await turn(spa, stays)
  })

  it('without openid end by their own lifetime, not with the session (architecture §6)', async () => {
    const browser = createUserAgent()
    const asked = { scope: 'orders:read', resource: api, nonce: undefined }
    const tokens = await tokensFor(server, web, asked, browser)
    const account = await browser.follow(await browser.get(`${server.issuer}/account`))
    await browser.submit(account, { form: 'form[action$=sign-out]' })
    await turn(web, tokens)
  })

  it('used concurrently leave at most one valid successor (P-046)', async () => {
    const tokens = await tokensFor(server, web, offline, agent)
    const pages = await Promise.all(Array.from({ length: 10 }, () => refresh(server, web, tokens)))
    const won = pages.filter(({ status }) => status === 200)
    expect(won.length).to.be.at.most(1)
    const alive = await Promise.all(
      won.map(async (page) => (await refresh(server, web, page.json() as Tokens)).status),
    )
    expect(alive.filter((status) => status === 200).length).to.be.at.most(1)
  })
})
