import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { parse } from 'yaml'
import type { Account } from '../../src/accounts/account.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { type Apache, apacheFound, startApache } from '../support/apache.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { createAuthority, serverFiles, trust } from '../support/certificates.ts'
import { adapted, documented } from '../support/documented.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, furnish, machine, ordersApi } from '../support/fixtures.ts'
import { forgeries } from '../support/forgeries.ts'
import { freePort } from '../support/free-port.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { introspect, post, tokensIn } from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const [relyingParty = '', offline = '', online = ''] = documented('clients.md', 'apache')
const declared = documented('clients.md', 'yaml').find((text) => text.includes('intranet')) ?? ''
const echo = (name: string) => `<p id="${name}"><!--#echo var="${name}" --></p>`
const page = ['OIDC_CLAIM_email', 'OIDC_CLAIM_name', 'OIDC_access_token'].map(echo).join('')
const shown = ({ root }: Page, name: string) => root.querySelector(`#${name}`)?.text ?? ''

describe('mod_auth_openidc in Apache, configured as in docs/clients.md', () => {
  let server: TestServer
  let apache: Apache
  let site: string
  let apis: { offline: string; online: string }
  const intranet = { client_id: 'intranet', client_secret: 'the-secret-of-the-intranet' }

  before(async function () {
    if (!apacheFound()) return this.skip()
    const authority = await createAuthority()
    trust(authority)
    const { certFile, keyFile } = await serverFiles(authority)
    server = await boot(anyStorage, {
      TLS_CERT_FILE: certFile,
      TLS_KEY_FILE: keyFile,
      ALLOW_LOOPBACK_FETCH: 'on',
    })
    await furnish(server)
    const ports = [await freePort(), await freePort(), await freePort()] as const
    site = `http://localhost:${ports[0]}`
    apis = {
      offline: `http://localhost:${ports[1]}/api/orders`,
      online: `http://localhost:${ports[2]}/api/orders`,
    }
    const places = { 'https://id.example.com': server.issuer }
    const clients = adapted(declared, { 'https://www.example.com': site })
    remember(intranet.client_secret)
    for (const client of (parse(clients) as { clients: unknown[] }).clients) {
      await server.core.clients.declare(defaultTenant, client)
    }
    const authorities = authority.cert
    const pages = {
      'protected/index.html': page,
      'protected/stale/index.html': page,
      goodbye: 'bye',
    }
    const orders = { 'api/orders': 'orders' }
    apache = await startApache([
      {
        port: ports[0],
        // Refreshes every access token with a lifetime below two hours before use.
        config: `${adapted(relyingParty, { ...places, 'https://www.example.com': site })}
<Location /protected/stale>
OIDCRefreshAccessTokenBeforeExpiry 7200 logout_on_error
</Location>`,
        pages,
        authorities,
      },
      { port: ports[1], config: adapted(offline, places), pages: orders, authorities },
      {
        port: ports[2],
        config: adapted(online, {
          ...places,
          'the-secret-of-the-orders-api': ordersApi.client_secret,
        }),
        pages: orders,
        authorities,
      },
    ])
  })
  after(async () => {
    await apache?.stop()
    await server?.stop()
  })

  const visit = (agent: UserAgent, path = '/protected/index.html') => agent.get(site + path)
  const isSignedIn = async (agent: UserAgent) => (await visit(agent)).status === 200

  async function signIn(): Promise<UserAgent> {
    const agent = createUserAgent()
    const away = await visit(agent)
    const { searchParams } = away.location as URL
    expect(Object.fromEntries(searchParams)).to.include({
      code_challenge_method: 'S256',
      scope: 'openid email profile',
    })
    const back = await agent.walk(away.location as URL, {
      username: alice.email,
      password: alice.password,
    })
    const arrived = await agent.follow(
      await agent.get(back, { from: await agent.get(server.issuer) }),
    )
    expect(arrived.status, arrived.body + (await apache.log())).to.equal(200)
    return agent
  }

  it('signs a user in and passes her claims to the page (K-40)', async () => {
    const there = await visit(await signIn())
    expect(shown(there, 'OIDC_CLAIM_email')).to.equal(alice.email)
    expect(shown(there, 'OIDC_CLAIM_name')).to.equal(alice.name)
  })

  it('refreshes before expiry, on request, and from many pages in parallel (K-41)', async () => {
    const agent = await signIn()
    const tokens = [shown(await visit(agent), 'OIDC_access_token')]
    tokens.push(shown(await visit(agent, '/protected/stale/index.html'), 'OIDC_access_token'))
    const hook = new URL('/protected/callback', site)
    hook.searchParams.set('refresh', `${site}/protected/index.html`)
    hook.searchParams.set('access_token', tokens[1] ?? '')
    const refreshed = await agent.follow(await agent.get(hook), () => false)
    expect(refreshed.url.search, await apache.log()).to.equal('')
    tokens.push(shown(refreshed, 'OIDC_access_token'))
    expect(new Set(tokens).size).to.equal(3)
    for (const token of tokens) {
      expect(await introspect(server, intranet, token)).to.include({ active: true })
    }
    const many = Array.from({ length: 8 }, () => visit(agent, '/protected/stale/index.html'))
    expect((await Promise.all(many)).map(({ status }) => status)).to.deep.equal(Array(8).fill(200))
    expect(await isSignedIn(agent)).to.equal(true)
  })

  it('ends its session when a refresh is refused', async () => {
    const agent = await signIn()
    const { sub = '' } = decodeJwt(shown(await visit(agent), 'OIDC_access_token'))
    await server.core.revocations.revokeGrant(defaultTenant, sub, intranet.client_id)
    expect(await isSignedIn(agent)).to.equal(true)
    // It sends data after "Logged Out", which Node's parser rejects and browsers accept.
    await visit(agent, '/protected/stale/index.html').catch(() => undefined)
    expect(await isSignedIn(agent)).to.equal(false)
  })

  it('signs out locally and at the server, and revokes its tokens (K-42, P-069)', async () => {
    const agent = await signIn()
    const token = shown(await visit(agent), 'OIDC_access_token')
    const link = new URL('/protected/callback', site)
    link.searchParams.set('logout', `${site}/goodbye`)
    const confirm = await agent.follow(await agent.get(link), () => false)
    expect(confirm.url.origin, confirm.body).to.equal(server.issuer)
    const done = await agent.follow(await agent.submit(confirm), () => false)
    expect(done.url.href, done.body).to.equal(`${site}/goodbye`)
    expect(await introspect(server, intranet, token)).to.deep.equal({ active: false })
    const again = await agent.follow(await visit(agent), () => false)
    expect(again.root.querySelector('input[name=password]')).not.to.equal(null)
  })

  it('receives back-channel log-outs, of one session and later of all (K-42, P-070)', async () => {
    const [laptop, phone] = [await signIn(), await signIn()]
    await laptop.submit(await laptop.get(`${server.issuer}/logout`))
    await eventually('the laptop is signed out', async () => !(await isSignedIn(laptop)))
    expect(await isSignedIn(phone)).to.equal(true)
    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    await server.core.revocations.logOutEverywhere(account as Account)
    await eventually('the phone is signed out', async () => !(await isSignedIn(phone)))
    await eventually('all deliveries are recorded', async () => {
      const deliveries = await server.core.logouts.list(defaultTenant, {})
      return deliveries.every(({ state, attempts }) => state === 'delivered' && attempts === 1)
    })
  })

  describe('as a resource server (K-43)', () => {
    const call = async (url: string, token: string) => {
      const headers = { authorization: `Bearer ${token}`, accept: '*/*' }
      return (await exchange({ method: 'GET', url: new URL(url), headers })).status
    }
    const tokenFor = async (resource?: string) =>
      tokensIn(
        await post(server, '/token', machine, { grant_type: 'client_credentials', resource }),
      ).access_token

    for (const kind of ['offline', 'online'] as const) {
      it(`accepts this issuer's tokens and no others, ${kind}`, async () => {
        const token = await tokenFor(api)
        expect(await call(apis[kind], token), await apache.log()).to.equal(200)
        for (const [what, forged] of await forgeries(server, token)) {
          expect(await call(apis[kind], forged), what).to.equal(401)
        }
      })
    }

    it('refuses a revoked token when it introspects', async () => {
      const token = await tokenFor(api)
      expect(await call(apis.online, token)).to.equal(200)
      await post(server, '/revoke', machine, { token })
      expect(await call(apis.online, token)).to.equal(401)
    })
  })
})
