import { expect } from 'chai'
import { hashOf } from '../../src/secrets/handle.ts'
import { itOnAny } from '../support/any-storage.ts'
import { booted, onEachStorage } from '../support/boot.ts'
import {
  api,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  spa,
  web,
} from '../support/fixtures.ts'
import { forgeries } from '../support/forgeries.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  expectRefusal,
  introspect,
  post,
  refresh,
  type StoryClient,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const inactive = { active: false }

onEachStorage('revocation', (kind) => {
  const test = itOnAny(kind)
  const server = booted(kind, {}, furnish, furnishOpaque)
  const agent = createUserAgent()

  const revoke = (client: StoryClient, token: string | undefined, fields = {}) =>
    post(server, '/revoke', client, { token, ...fields })
  function expectDone(page: Page) {
    expect(page.status, page.body).to.equal(200)
    expect(page.headers.get('content-type')).to.match(/^application\/json/)
    expect(page.headers.get('cache-control')).to.equal('no-store')
    expect(page.body).to.equal('{}')
  }

  const kinds = [
    { form: 'a JWT', resource: api, scope: 'openid orders:read offline_access' },
    { form: 'an opaque token', resource: opaque, scope: 'openid read offline_access' },
  ]
  it('of an opaque token holds even if its stored entry reappears (architecture §4, R-18)', async () => {
    const { access_token } = await tokensFor(server, web, kinds[1], agent)
    const key = { tenant: 'default', model: 'AccessToken', id: hashOf(access_token) }
    const before = await server.core.shortLived.get(key)
    expect(before).to.be.an('object')
    expectDone(await revoke(web, access_token))
    await server.core.shortLived.put(key, before, 600)
    expect(await introspect(server, ordersApi, access_token)).to.deep.equal(inactive)
  })

  test('of a refresh token does not read the short-lived store, which may be unavailable (architecture §4, R-03)', async () => {
    const tokens = await tokensFor(server, web, kinds[1], agent)
    const { shortLived } = server.core
    const { get } = shortLived
    const wanted: string[] = []
    shortLived.get = (key) => {
      wanted.push(key.model)
      return get(key)
    }
    try {
      expect(await introspect(server, web, tokens.refresh_token)).to.include({ active: true })
      expectDone(await revoke(web, tokens.refresh_token))
      expect(await introspect(server, web, tokens.refresh_token)).to.deep.equal(inactive)
    } finally {
      shortLived.get = get
    }
    expect(wanted).to.deep.equal([])
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
  })

  for (const { form, ...asked } of kinds) {
    for (const client of [web, spa]) {
      it(`of ${form} by ${client.client_id} ends it at once and nothing else (P-062, K-20, K-21)`, async () => {
        for (const token_type_hint of [undefined, 'access_token', 'refresh_token', 'nonsense']) {
          const tokens = await tokensFor(server, client, asked, agent)
          expect(await introspect(server, ordersApi, tokens.access_token)).to.include({
            active: true,
          })
          expectDone(await revoke(client, tokens.access_token, { token_type_hint }))
          expect(await introspect(server, ordersApi, tokens.access_token)).to.deep.equal(inactive)
          expectDone(await revoke(client, tokens.access_token, { token_type_hint }))
          const next = tokensIn(await refresh(server, client, tokens))
          expect(await introspect(server, ordersApi, next.access_token)).to.include({
            active: true,
          })
        }
      })
    }

    it(`of a refresh token ends its family, ${form} included (P-062)`, async () => {
      for (const token_type_hint of [undefined, 'refresh_token', 'access_token']) {
        const first = await tokensFor(server, web, asked, agent)
        const second = tokensIn(await refresh(server, web, first))
        expectDone(await revoke(web, second.refresh_token, { token_type_hint }))
        expectRefusal(await refresh(server, web, second), 400, 'invalid_grant')
        for (const { access_token } of [first, second]) {
          expect(await introspect(server, ordersApi, access_token)).to.deep.equal(inactive)
        }
      }
    })

    test(`of ${form} of another client is refused and changes nothing (P-062)`, async () => {
      const tokens = await tokensFor(server, web, asked, agent)
      for (const stranger of [spa, machine, ordersApi]) {
        const page = await revoke(stranger, tokens.access_token)
        expect(page.status).to.be.oneOf([200, 400])
        const other = await revoke(stranger, tokens.refresh_token)
        expect(other.status).to.be.oneOf([200, 400])
      }
      expect(await introspect(server, web, tokens.access_token)).to.include({ active: true })
      tokensIn(await refresh(server, web, tokens))
    })
  }

  test('of another client’s token is answered with invalid_request (P-062, RFC 7009 §2.1)', async () => {
    const tokens = await tokensFor(server, web, kinds[0], agent)
    const { access_token } = await tokensFor(server, web, kinds[1], agent)
    for (const token of [tokens.access_token, tokens.refresh_token, access_token]) {
      expectRefusal(await revoke(spa, token), 400, 'invalid_request')
    }
  })

  test('of a token for userinfo ends its access to userinfo (P-062)', async () => {
    const { access_token } = await tokensFor(server, spa, {}, agent)
    expect((await userinfo(server, access_token)).status).to.equal(200)
    expectDone(await revoke(spa, access_token))
    expect((await userinfo(server, access_token)).status).to.equal(401)
  })

  test('of an unknown token succeeds (P-062, K-20)', async () => {
    const { access_token, id_token } = await tokensFor(server, web, kinds[0], agent)
    for (const token of ['x', 'a.b.c', '\0', 'x'.repeat(5000), id_token]) {
      expectDone(await revoke(web, token))
    }
    for (const [, token] of await forgeries(server, access_token))
      expectDone(await revoke(spa, token))
    expect(await introspect(server, web, access_token)).to.include({ active: true })
  })

  test('requires client authentication and a token (ASVS 10.4.10, P-042)', async () => {
    const { access_token } = await tokensFor(server, web, kinds[0], agent)
    const wrong = { ...web, client_secret: 'not-the-secret-of-it' }
    expectRefusal(await revoke(wrong, access_token), 401, 'invalid_client')
    expectRefusal(await post(server, '/revoke', undefined, { token: 'x' }), 400, 'invalid_request')
    expectRefusal(await revoke(web, undefined), 400, 'invalid_request')
    expect(await introspect(server, web, access_token)).to.include({ active: true })
  })
})
