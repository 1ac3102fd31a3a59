import { expect } from 'chai'
import { ask, bootstrap, machineWith, tokenOf } from '../support/admin.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, machine, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { authorizeUrl, post } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

interface Denial {
  id: string
  tenant: string
  at: string
  check: string
  error: string
  client_id?: string
}

describe('denials in the admin API', () => {
  const server = booted(anyStorage, {}, furnish)
  let owner: string
  const other = 'acme'

  before(async () => {
    await server.core.tenants.declare({ id: other, name: 'Acme' })
    await server.core.signing.ensure(other, ['ES256', 'RS256'])
    await furnish(server, other)
    owner = await tokenOf(server, await bootstrap(server))
  })

  const get = (path: string, token = owner) => ask(server, 'GET', `/denials${path}`, { token })
  const idOf = (page: Page) => page.headers.get('request-id') as string
  const itemsOf = (page: Page) => (page.json() as { items: Denial[] }).items

  /** A token request in a tenant that is refused for its secret. @returns its id */
  async function refusedIn(tenant: string, clientId = machine.client_id): Promise<string> {
    const issuer = tenant === 'default' ? server.issuer : `${server.issuer}/t/${tenant}`
    const client = { client_id: clientId, client_secret: 'not-the-secret-of-anybody' }
    const page = await post({ ...server, issuer }, '/token', client, {
      grant_type: 'client_credentials',
    })
    expect(page.status).to.equal(401)
    return idOf(page)
  }

  it('show the failed check, the expected and actual values and how to fix it, without secrets', async () => {
    const address = 'http://localhost:9/other?token=very-secret-indeed'
    const page = await createUserAgent().get(authorizeUrl(server, web, { redirect_uri: address }))
    const shown = await get(`/${idOf(page).toUpperCase()}`)
    expect(shown.json()).to.deep.include({
      tenant: 'default',
      endpoint: 'authorization',
      check: 'redirect_uri_registered',
      expected: web.redirect_uris?.[0],
      received: 'http://localhost:9/other?token=[18 characters]',
      source: 'RFC 9700 §2.1, RFC 8252 §7.3',
      client_id: web.client_id,
    })
    expect((shown.json() as { mend: string }).mend).to.match(/registered address/)
    const wrong = await get(`/${await refusedIn('default')}`)
    expect(wrong.json()).to.include({ error: 'invalid_client', client_id: machine.client_id })
    expect(wrong.body).not.to.include('not-the-secret-of-anybody')
  })

  it('include requests that the admin API itself refuses', async () => {
    const refused = await get('?limit=0')
    expect(refused.status).to.equal(400)
    const { request_id: id } = refused.json() as { request_id: string }
    expect((await get(`/${id}`)).json()).to.include({
      check: 'request_invalid',
      endpoint: 'admin',
      client_id: 'keyturn-admin',
    })
    const token = await tokenOf(server, await machineWith(server, 'owner', other))
    const foreign = await ask(server, 'GET', '/tenants/default/clients', { token })
    const { request_id: kept } = foreign.json() as { request_id: string }
    const told = (await get(`/${kept}`)).json() as { reason: string }
    expect(told.reason, 'without the roles of the caller').to.equal('tenant: default')
  })

  it('are visible only for tenants that a role reaches, and only with permission there (C21, C22, ASVS 8.2.2)', async () => {
    const [here, there] = [await refusedIn('default'), await refusedIn(other)]
    const desk = await tokenOf(server, await machineWith(server, 'help_desk', other))
    expect((await get(`/${there}`, desk)).json()).to.include({ id: there, tenant: other })
    expect((await get(`/${here}`, desk)).status).to.equal(404)
    const seen = new Set(itemsOf(await get('', desk)).map(({ tenant }) => tenant))
    expect([...seen]).to.deep.equal([other])
    expect(itemsOf(await get(`?tenant=${other}`, desk)).map(({ id }) => id)).to.include(there)
    // A tenant out of reach looks like one that does not exist.
    for (const tenant of ['default', 'nobody']) {
      const page = await get(`?tenant=${tenant}`, desk)
      expect([page.status, (page.json() as { code: string }).code]).to.deep.equal([
        404,
        'not_found',
      ])
    }
    expect((await get('?tenant=nobody')).status).to.equal(404)
    const all = itemsOf(await get('')).map(({ id }) => id)
    expect(all).to.include.members([here, there])
    const roleless = await tokenOf(server, await machineWith(server))
    expect((await get('', roleless)).status).to.equal(403)
    expect((await get(`/${there}`, roleless)).status).to.equal(403)
  })

  it('are listed by client, check, error and time, page by page, newest first (C28)', async () => {
    await server.core.clients.declare('default', { ...machine, client_id: 'batch' })
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.unshift(await refusedIn('default', 'batch'))
    const found: string[] = []
    let cursor = ''
    do {
      const page = await get(`?client_id=batch&limit=2${cursor}`)
      found.push(...itemsOf(page).map(({ id }) => id))
      const { next_cursor: next } = page.json() as { next_cursor?: string }
      cursor = next === undefined ? '' : `&cursor=${next}`
    } while (cursor !== '' && found.length < 10)
    expect(found).to.deep.equal(ids)

    const [newest] = itemsOf(await get('?client_id=batch&limit=1')) as [Denial]
    const filters: Array<[query: string, fits: (each: Denial) => boolean]> = [
      [`check=${newest.check}`, ({ check }) => check === newest.check],
      ['check=redirect_uri_registered', ({ check }) => check === 'redirect_uri_registered'],
      ['error=invalid_client', ({ error }) => error === 'invalid_client'],
      ['endpoint=authorization', (each) => 'redirect_uri_registered' === each.check],
      [`since=${newest.at}`, ({ at }) => at >= newest.at],
      [`until=${newest.at}`, ({ at }) => at < newest.at],
    ]
    const all = itemsOf(await get('?limit=200'))
    for (const [query, fits] of filters) {
      const shown = itemsOf(await get(`?limit=200&${query}`))
      expect(shown, query).to.deep.equal(all.filter(fits))
      expect(shown, query).not.to.be.empty
    }
    expect((await get('?since=yesterday')).body).to.match(/since: /)
  })
})
