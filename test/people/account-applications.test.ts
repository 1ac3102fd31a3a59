import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { api, furnish, web } from '../support/fixtures.ts'
import { codeFor, introspect, redeem, refresh, tokensFor, userinfo } from '../support/protocol.ts'
import { informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { accountOf, open, press, signedIn, somebody } from './account.story.ts'
import { expectFault, textOf } from './story.ts'

const offline = { scope: 'openid profile offline_access orders:read', resource: api }

describe('people: connected applications (ASVS 10.4.9, 10.7.3)', () => {
  let server: TestServer
  let host: DocumentHost
  const { declare, register } = registrar(() => server)
  before(async () => {
    server = await boot(anyStorage, { ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(server)
    host = await startDocumentHost()
  })
  after(async () => {
    host?.stop()
    await server?.stop()
  })

  it('shows what each may do in plain words, since when, and on how many devices', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const none = await open(server, '/account/applications', person, agent)
    expect(textOf(none)).to.include('You have not allowed any application to use your account.')
    await tokensFor(server, web, offline, agent)
    const page = await open(server, '/account/applications', person, agent)
    const [item, ...others] = page.root.querySelectorAll('#applications > li')
    expect(others).to.deep.equal([])
    const said = item?.textContent.replace(/\s+/g, ' ') ?? ''
    expect(said).to.include(web.client_name).and.include('See your name and your profile')
    expect(said).to.include('Keep this access while you are away').and.include('At Orders it can')
    expect(said)
      .to.include('1 device')
      .and.match(/Allowed since.*UTC/)
    expect(item?.querySelector('[data-scope="orders:read"]'), 'granted').not.to.equal(null)
    expect(item?.querySelector('[data-scope="orders:write"]'), 'not granted').to.equal(null)
  })

  it('removes access: refresh tokens, access tokens and codes stop working, and the application is no longer listed', async () => {
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    const tokens = await tokensFor(server, web, offline, agent)
    const profile = await tokensFor(server, web, { scope: 'openid profile' }, agent)
    const code = await codeFor(server, web, offline, agent)
    const page = await open(server, '/account/applications', person, agent)
    const done = await agent.follow(await press(agent, page, /applications\/[\w-]+\/end$/))
    expect(done.root.querySelector('[role=status]')?.textContent).to.match(/no access/)
    expect(textOf(done)).to.include('You have not allowed any application')
    expect((await refresh(server, web, tokens)).status).to.equal(400)
    expect((await redeem(server, web, code)).status).to.equal(400)
    expect(await introspect(server, web, tokens.access_token)).to.include({ active: false })
    expect((await userinfo(server, profile.access_token)).status).to.equal(401)
    expect((await agent.get(`${server.issuer}/account`)).status, 'stays signed in').to.equal(200)
    const again = await press(agent, page, /applications\/[\w-]+\/end$/)
    expect(again.status, 'second removal').to.equal(404)
  })

  it('refuses the application of another account (C22)', async () => {
    const [one, two] = [await somebody(server), await somebody(server)]
    const [hers, his] = [await signedIn(server, one), await signedIn(server, two)]
    const tokens = await tokensFor(server, web, offline, his)
    const { id: accountId } = await accountOf(server, two)
    const [grant] = await server.core.grants.list('default', { accountId })
    const page = await open(server, '/account', one, hers)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const url = `${server.issuer}/account/applications/${grant?.id}`
    expectFault(await hers.post(`${url}/end`, { csrf }), 404, /no such page/)
    expectFault(await hers.get(`${url}/logo`), 404, /no such page/)
    expect((await refresh(server, web, tokens)).status).to.equal(200)
  })

  it('neither shows nor fetches the logo of an unverified application (P-089, C11)', async () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex')
    const logo_uri = host.answer('/logo.png', (response) => response.end(png))
    const person = await somebody(server)
    const agent = await signedIn(server, person)
    await declare({ mode: 'open' })
    const tool = informationIn(await register({ ...selfDeclared, logo_uri }))
    await server.core.clients.declare('default', { ...web, client_id: 'pictured', logo_uri })
    for (const client of [tool, { ...web, client_id: 'pictured' }]) {
      await codeFor(server, client, {}, agent)
    }
    const page = await open(server, '/account/applications', person, agent)
    const pictures = page.root.querySelectorAll('#applications > li').map((item) => {
      const src = item.querySelector('img')?.getAttribute('src')
      return [item.querySelector('code')?.textContent, src !== undefined]
    })
    expect(pictures).to.have.deep.members([
      [tool.client_id, false],
      ['pictured', true],
    ])
    const { id: accountId } = await accountOf(server, person)
    const allowed = await server.core.grants.list('default', { accountId })
    const logoOf = (clientId: string) => {
      const grant = allowed.find((each) => each.clientId === clientId)
      return agent.get(`${server.issuer}/account/applications/${grant?.id}/logo`)
    }
    expectFault(await logoOf(tool.client_id), 404, /no such page/)
    expect(host.asked.get('/logo.png')).to.equal(undefined)
    expect((await logoOf('pictured')).headers.get('content-type')).to.equal('image/png')
  })
})
