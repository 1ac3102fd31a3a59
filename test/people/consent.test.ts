import { expect } from 'chai'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, callback, furnish, spa, web } from '../support/fixtures.ts'
import { expectReturned, signIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { arrive, arriveSignedIn, expectFault, headingOf, textOf } from './story.ts'

const native = {
  client_id: 'native',
  client_name: 'Example phone app',
  application_type: 'native',
  redirect_uris: ['com.example.app:/callback', 'http://127.0.0.1/callback'],
  token_endpoint_auth_method: 'none',
}

const remote = {
  client_id: 'remote',
  client_name: 'Example site',
  client_uri: 'https://www.example.com/',
  policy_uri: 'https://www.example.com/privacy',
  redirect_uris: ['https://app.example.com:8443/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none',
}

onAnyStorage('people: consent', (kind) => {
  const server = booted(kind, {}, furnish)
  before(async () => {
    await server.core.clients.declare('default', native)
    await server.core.clients.declare('default', remote)
  })

  it('shows client, account, scopes in words, resource, duration and redirect host (ASVS 10.7.2, P-089)', async () => {
    const { page } = await arriveSignedIn(server, remote, {
      redirect_uri: remote.redirect_uris[0],
      scope: 'openid email offline_access orders:read',
      resource: api,
      prompt: 'consent',
    })
    expect(headingOf(page)).to.equal('Allow Example site to use your account?')
    for (const said of [
      `${alice.name} ${alice.email}`,
      'Recognise you',
      'See your e-mail address',
      'At Orders it can',
      'orders:read',
      'while you are away',
    ]) {
      expect(textOf(page)).to.include(said)
    }
    expect(textOf(page)).to.not.include('orders:write')
    expect(page.root.querySelector('#redirect-host')?.textContent).to.equal('app.example.com:8443')
    expect(page.root.querySelectorAll('[role=note]')).to.deep.equal([])
  })

  it("warns when the response goes to the user's own computer, even if the client has other redirect URIs (P-089)", async () => {
    const far = 'https://app.example.com/callback'
    const both = { ...spa, client_id: 'both', redirect_uris: [callback, far] }
    await server.core.clients.declare('default', both)
    for (const [redirect_uri, host, isNear] of [
      [callback, 'localhost:9', true],
      [far, 'app.example.com', false],
    ] as const) {
      const { page } = await arriveSignedIn(server, both, { redirect_uri })
      expect(page.root.querySelector('#redirect-host')?.textContent).to.equal(host)
      expect(textOf(page).includes('runs on your own computer')).to.equal(isNear)
    }
  })

  it('reports a denial to the client, with state and iss, and asks again next time', async () => {
    const { agent, page } = await arriveSignedIn(server, web)
    const answer = await agent.submit(page, { button: '#deny' })
    expect(answer.status, 'P-013').to.equal(303)
    expectReturned(await agent.follow(answer), 'access_denied')
    const again = await arrive(server, web, {}, agent)
    expect(headingOf(again.page)).to.match(/^Allow/)
  })

  it('treats every decision but "allow" as a denial', async () => {
    const { agent, page } = await arriveSignedIn(server, web)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const answer = await agent.post(`${page.url.href}/consent`, { csrf, decision: 'Allow' })
    expectReturned(await agent.follow(answer), 'access_denied')
  })

  it('ends with the session: a page left open shows and grants nothing after sign-out (C6, ASVS 7.4.1)', async () => {
    const left = { ...web, client_id: 'left-open' }
    await server.core.clients.declare('default', left)
    const { agent, page } = await arriveSignedIn(server, left)
    expect(headingOf(page)).to.match(/^Allow/)
    const account = await agent.get(`${server.issuer}/account`)
    expect((await agent.submit(account, { form: '#sign-out-form' })).status).to.equal(303)
    for (const seen of [await agent.get(page.url), await agent.submit(page)]) {
      expectFault(seen, 400, /has expired/)
      expect(seen.body).to.not.include(alice.email)
    }
    const { id = '' } = (await server.core.accounts.byIdentifier('default', alice.email)) ?? {}
    const allowed = await server.core.grants.list('default', { accountId: id })
    expect(allowed.map(({ clientId }) => clientId)).to.not.include('left-open')
  })

  it('is remembered, also in another browser', async () => {
    await signIn(server, spa)
    const { page } = await arriveSignedIn(server, spa)
    expect(page.location?.searchParams.get('code')).to.be.a('string')
  })

  it('is asked again for a wider scope and for another resource, and shows all scopes', async () => {
    const agent = createUserAgent()
    await signIn(server, spa, { scope: 'openid' }, agent)
    const wider = await arrive(server, spa, { scope: 'openid email' }, agent)
    expect(headingOf(wider.page)).to.match(/^Allow/)
    expect(textOf(wider.page)).to.include('Recognise you').and.include('e-mail address')
    await agent.submit(wider.page)
    const resource = await arrive(
      server,
      spa,
      { scope: 'openid orders:read', resource: api },
      agent,
    )
    expect(textOf(resource.page)).to.include('At Orders it can')
    const known = await arrive(server, spa, { scope: 'openid email' }, agent)
    expect(known.page.location?.searchParams.get('code')).to.be.a('string')
  })

  it('is not given by prompt=none for a first request (ASVS 10.4.7)', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    const { page } = await arrive(
      server,
      web,
      { prompt: 'none', scope: 'openid orders:write', resource: api },
      agent,
    )
    expectReturned(page, 'consent_required')
  })

  it('is asked from a native client each time, since its identity cannot be verified (ASVS 10.7.1, RFC 8252 §8.6)', async () => {
    const agent = createUserAgent()
    for (const redirect_uri of ['com.example.app:/callback', 'http://127.0.0.1:51234/callback']) {
      const { page } =
        redirect_uri === 'com.example.app:/callback'
          ? await arriveSignedIn(server, native, { redirect_uri }, agent)
          : await arrive(server, native, { redirect_uri }, agent)
      expect(headingOf(page)).to.match(/^Allow Example phone app/)
      const host = page.root.querySelector('#redirect-host')?.textContent
      expect(host).to.equal(redirect_uri.startsWith('com') ? 'com.example.app:' : '127.0.0.1:51234')
      const answer = await agent.submit(page)
      const back = await agent.get(answer.location ?? '')
      expect(back.location?.href).to.match(
        /^(com\.example\.app:\/callback|http:\/\/127\.0\.0\.1:51234\/callback)\?code=/,
      )
    }
    const silent = await arrive(
      server,
      native,
      { redirect_uri: 'com.example.app:/callback', prompt: 'none' },
      agent,
    )
    expect(silent.page.location?.searchParams.get('error')).to.equal('interaction_required')
  })

  it('shows no form for an invalid redirect URI (P-003)', async () => {
    const { page } = await arrive(server, web, { redirect_uri: `${callback}/elsewhere` })
    expect(page.status).to.equal(400)
    expect(page.root.querySelectorAll('form')).to.deep.equal([])
  })
})
