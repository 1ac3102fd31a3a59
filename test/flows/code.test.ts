import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { itOnAny } from '../support/any-storage.ts'
import { booted, onEachStorage } from '../support/boot.ts'
import { api, furnish, furnishOpaque, opaque, ordersApi, spa, web } from '../support/fixtures.ts'
import {
  codeFor,
  expectRefusal,
  introspect,
  redeem,
  refresh,
  type StoryClient,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

const inactive = { active: false }

onEachStorage('authorization codes', (kind) => {
  const test = itOnAny(kind)
  const server = booted(kind, {}, furnish, furnishOpaque)
  const agent = createUserAgent()
  afterEach(backToPresent)

  it('live 60 seconds (ASVS 10.4.3)', async () => {
    const alive = await codeFor(server, web, {}, agent)
    travel(55)
    tokensIn(await redeem(server, web, alive))
    const code = await codeFor(server, web, {}, agent)
    travel(61)
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    travel(600)
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
  })

  it('are bound to their client, and an attempt by another client has no effect (P-017)', async () => {
    for (const [owner, thief] of [
      [web, spa],
      [spa, web],
    ] as [StoryClient, StoryClient][]) {
      const code = await codeFor(server, owner, {}, agent)
      expectRefusal(await redeem(server, thief, code), 400, 'invalid_grant')
      const tokens = tokensIn(await redeem(server, owner, code))
      expectRefusal(await redeem(server, thief, code), 400, 'invalid_grant')
      expect(await introspect(server, web, tokens.access_token)).to.deep.include({
        active: owner === web,
      })
      tokensIn(await refresh(server, owner, tokens))
    }
  })

  const forms = [
    { form: 'JWT', resource: undefined, scope: 'openid' },
    { form: 'opaque', resource: opaque, scope: 'openid read offline_access' },
  ]
  for (const client of [web, spa]) {
    for (const { form, ...asked } of forms) {
      const define = client === web ? it : test
      define(
        `used again by ${client.client_id} end what they issued: refresh token and ${form} access token (P-045, ASVS 10.4.2)`,
        async () => {
          const code = await codeFor(server, client, asked, agent)
          const first = tokensIn(await redeem(server, client, code))
          expect(first.access_token.includes('.')).to.equal(form === 'JWT')
          const second = tokensIn(await refresh(server, client, first))
          for (const token of [first.access_token, second.access_token, second.refresh_token]) {
            const known = await server.core.clients.find(defaultTenant, client.client_id)
            expect(known).not.to.equal(undefined)
            if (client === web) {
              expect(await introspect(server, web, token)).to.include({ active: true })
            }
          }

          expectRefusal(await redeem(server, client, code), 400, 'invalid_grant')

          expectRefusal(await refresh(server, client, second), 400, 'invalid_grant')
          for (const token of [first.access_token, second.access_token]) {
            if (form === 'JWT') expect((await userinfo(server, token)).status).to.equal(401)
            if (client === web) expect(await introspect(server, web, token)).to.deep.equal(inactive)
          }
          if (client === web) {
            for (const token of [first.refresh_token, second.refresh_token]) {
              expect(await introspect(server, web, token)).to.deep.equal(inactive)
            }
          }
        },
      )
    }
  }

  test('used again after their expiry also end what they issued (P-045)', async () => {
    const code = await codeFor(server, web, {}, agent)
    const tokens = tokensIn(await redeem(server, web, code))
    travel(65)
    expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
  })

  test('used again end no other sign-in of the same user (P-045)', async () => {
    const [one, other] = [
      await codeFor(server, web, {}, agent),
      await codeFor(server, web, {}, agent),
    ]
    const [, kept] = [
      tokensIn(await redeem(server, web, one)),
      tokensIn(await redeem(server, web, other)),
    ]
    expectRefusal(await redeem(server, web, one), 400, 'invalid_grant')
    expect(await introspect(server, web, kept.access_token)).to.include({ active: true })
    tokensIn(await refresh(server, web, kept))
  })

  test('used again without openid end an access token that a resource server introspected (P-045, P-060)', async () => {
    const asked = { scope: 'orders:read', resource: api, nonce: undefined }
    const code = await codeFor(server, spa, asked, agent)
    const { access_token } = tokensIn(await redeem(server, spa, code))
    expect(await introspect(server, ordersApi, access_token)).to.include({ active: true })
    expectRefusal(await redeem(server, spa, code), 400, 'invalid_grant')
    expect(await introspect(server, ordersApi, access_token)).to.deep.equal(inactive)
  })

  test('presented without the right verifier and redirect URI end nothing, before or after redemption (ADR 0034)', async () => {
    const wrongFields = [
      { code_verifier: 'x'.repeat(43) },
      { code_verifier: undefined },
      { redirect_uri: 'https://elsewhere.example/callback' },
    ]
    for (const client of [web, spa]) {
      const code = await codeFor(server, client, {}, agent)
      const pages = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          redeem(server, client, code, i === 4 ? {} : wrongFields[i % wrongFields.length]),
        ),
      )
      const [won, ...others] = pages.toSorted((a, b) => a.status - b.status)
      for (const page of others) expectRefusal(page, 400, 'invalid_grant')
      for (const fields of wrongFields) {
        expectRefusal(await redeem(server, client, code, fields), 400, 'invalid_grant')
      }
      const tokens = tokensIn(await refresh(server, client, tokensIn(won as (typeof pages)[0])))
      expectRefusal(await redeem(server, client, code), 400, 'invalid_grant')
      expectRefusal(await refresh(server, client, tokens), 400, 'invalid_grant')
    }
  })

  it('are redeemed once by concurrent requests (P-045, ASVS 10.4.2)', async () => {
    const code = await codeFor(server, web, {}, agent)
    const pages = await Promise.all(Array.from({ length: 20 }, () => redeem(server, web, code)))
    const statuses = pages.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).to.have.length(1)
    expect(statuses.filter((status) => status === 400)).to.have.length(19)
  })

  it('are not used up by a failed check: the correct request still succeeds (P-017)', async () => {
    const code = await codeFor(server, web, {}, agent)
    expectRefusal(
      await redeem(server, web, code, { code_verifier: 'x'.repeat(43) }),
      400,
      'invalid_grant',
    )
    expectRefusal(await redeem(server, web, code, { resource: api }), 400, 'invalid_target')
    tokensIn(await redeem(server, web, code))
  })
})
