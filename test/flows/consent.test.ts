import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, furnish, spa, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  expectReturned,
  type Fields,
  redeem,
  signIn,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const credentials = { username: alice.email, password: alice.password }

onAnyStorage('consent', (kind) => {
  const server = booted(kind, {}, furnish)
  const agent = createUserAgent()

  const ask = async (fields: Fields, client: { client_id: string } = web, browser = agent) =>
    browser.follow(await browser.get(authorizeUrl(server, client, fields)))
  const asks = (page: Page) => page.root.querySelector('#consent-form') !== null
  const scopesOn = (page: Page) =>
    page.root.querySelectorAll('[data-scope]').map((line) => line.getAttribute('data-scope'))

  it('is requested once, names client, host, scopes and resource, and is remembered (ASVS 10.7.2)', async () => {
    const fields = { scope: 'openid email orders:read', resource: api }
    const form = await ask(fields)
    const page = await agent.follow(await agent.submit(form, { fields: credentials }))
    expect(asks(page)).to.equal(true)
    const text = page.root.structuredText
    for (const part of [web.client_name, api, 'localhost:9']) expect(text).to.include(part)
    expect(scopesOn(page)).to.include.members(['email', 'orders:read'])

    const back = await agent.follow(await agent.submit(page))
    expect(back.location?.searchParams.has('code')).to.equal(true)
    expect((await ask(fields)).location?.searchParams.has('code')).to.equal(true)
    const less = await ask({ scope: 'openid orders:read', resource: api })
    expect(less.location?.searchParams.has('code')).to.equal(true)
  })

  it('is remembered across browsers (ASVS 10.7.1)', async () => {
    const browser = createUserAgent()
    const form = await ask({ scope: 'openid email', resource: api }, web, browser)
    const page = await browser.follow(await browser.submit(form, { fields: credentials }))
    expect(page.location?.searchParams.has('code')).to.equal(true)
  })

  for (const [what, wider] of [
    ['scope', { scope: 'openid profile' }],
    ['scope of the resource', { scope: 'openid orders:write', resource: api }],
    ['lifetime', { scope: 'openid offline_access' }],
  ] as const) {
    it(`is requested again for a wider ${what} (ASVS 10.7.1)`, async () => {
      expectReturned(await ask({ ...wider, prompt: 'none' }), 'consent_required')
      const page = await ask(wider)
      expect(asks(page)).to.equal(true)
      const back = await agent.follow(await agent.submit(page))
      expect(back.location?.searchParams.has('code')).to.equal(true)
      expect((await ask({ ...wider, prompt: 'none' })).location?.searchParams.has('code')).to.equal(
        true,
      )
    })
  }

  it('applies to one client only (ASVS 10.4.7)', async () => {
    expectReturned(await ask({ prompt: 'none' }, spa), 'consent_required')
    expect(asks(await ask({}, spa))).to.equal(true)
  })

  it('is never skipped for a native client: any app could be behind its redirect URI (P-029, K-07)', async () => {
    const redirect_uri = 'http://127.0.0.1/native'
    const native = {
      client_id: 'native',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: [redirect_uri],
    }
    await server.core.clients.declare(defaultTenant, native)
    await signIn(server, native, { redirect_uri }, agent)
    expect(asks(await ask({ redirect_uri }, native))).to.equal(true)
    const silent = await agent.get(authorizeUrl(server, native, { redirect_uri, prompt: 'none' }))
    const error = silent.location?.searchParams.get('error')
    expect(error).to.be.oneOf(['interaction_required', 'consent_required'])
  })

  it('is requested again after a denial, which grants nothing (RFC 6749 §4.1.2.1)', async () => {
    const page = await ask({}, spa)
    expectReturned(
      await agent.follow(await agent.submit(page, { button: '#deny' })),
      'access_denied',
    )
    expectReturned(await ask({ prompt: 'none' }, spa), 'consent_required')
  })

  it('covers only what the page showed, whatever the form contains (ASVS 2.3.1)', async () => {
    const page = await ask({}, spa)
    const action = new URL(page.root.querySelector('form')?.getAttribute('action') ?? '', page.url)
    const csrf = page.root.querySelector('input[name=csrf]')?.getAttribute('value') ?? ''
    const forged = await agent.post(action, { decision: 'allow', csrf: 'x' })
    expect(forged.status).to.equal(403)
    const undecided = await agent.follow(await agent.post(action, { csrf }))
    expectReturned(undecided, 'access_denied')

    const again = await ask({}, spa)
    const url = new URL(again.root.querySelector('form')?.getAttribute('action') ?? '', again.url)
    const token = again.root.querySelector('input[name=csrf]')?.getAttribute('value') ?? ''
    const more = {
      decision: 'allow',
      csrf: token,
      scope: 'openid email orders:write',
      resource: api,
    }
    const back = await agent.follow(await agent.post(url, more))
    expect(back.location?.searchParams.has('code')).to.equal(true)
    expectReturned(await ask({ scope: 'openid email', prompt: 'none' }, spa), 'consent_required')
  })

  it('in two concurrent tabs is remembered in full, and both codes work', async () => {
    const wide = { ...web, client_id: 'wide' }
    await server.core.clients.declare(defaultTenant, wide)
    await signIn(server, wide, { scope: 'openid' }, agent)
    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    const owner = { accountId: account?.id, clientId: wide.client_id }
    for (let round = 0; round < 5; round++) {
      const tabs = [
        await ask({ scope: 'openid email' }, wide),
        await ask({ scope: 'openid profile' }, wide),
      ]
      const sent = await Promise.all(tabs.map((tab) => agent.submit(tab)))
      for (const page of sent) {
        const { location } = await agent.follow(page)
        tokensIn(await redeem(server, wide, location?.searchParams.get('code') ?? ''))
      }
      const [grant] = await server.core.grants.list(defaultTenant, owner)
      expect(grant?.openidScopes).to.have.members(['openid', 'email', 'profile'])
      await server.core.revocations.revokeGrant(
        defaultTenant,
        owner.accountId ?? '',
        wide.client_id,
      )
      await agent.follow(await agent.submit(await ask({ scope: 'openid' }, wide)))
    }
  })

  it('persists after a sign-out (architecture §1)', async () => {
    const browser = createUserAgent()
    await signIn(server, web, {}, browser)
    const account = await browser.follow(await browser.get(`${server.issuer}/account`))
    await browser.submit(account, { form: 'form[action$=sign-out]' })
    const form = await ask({}, web, browser)
    const page = await browser.follow(await browser.submit(form, { fields: credentials }))
    expect(asks(page)).to.equal(false)
    expect((await tokensFor(server, web, {}, browser)).id_token).to.be.a('string')
  })
})
