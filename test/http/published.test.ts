import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import { revocationsMetadata } from '../../src/endpoints/revocations.routes.ts'
import { publishedKeys } from '../../src/oidc/published-keys.ts'
import { publishedMetadata } from '../../src/oidc/published-metadata.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { bareEngine } from '../support/bare-engine.ts'
import { booted } from '../support/boot.ts'
import { exchange, type Page } from '../support/http-exchange.ts'

const discovery = ['openid-configuration', 'oauth-authorization-server']

/** The paths of a tenant's documents, and the path of each in the engine. */
function addressesOf(tenant: string): { address: string; own: string }[] {
  const base = tenant === 'default' ? '' : `/t/${tenant}`
  return [
    { address: `${base}/jwks`, own: '/jwks' },
    ...discovery.flatMap((name) => {
      const own = `/.well-known/${name}`
      const forms = base === '' ? [own] : [`${base}${own}`, `${own}${base}`, `${own}${base}/`]
      return forms.map((address) => ({ address, own }))
    }),
  ]
}

onAnyStorage('the key set and discovery', (kind) => {
  const server = booted(kind)
  before(() => server.core.tenants.declare({ id: 'acme', name: 'Acme' }))

  const ask = (address: string, headers: Record<string, string> = {}, method = 'GET') =>
    exchange({ method, url: new URL(server.issuer + address), headers })

  /** The answer of the engine's own handler for an issuer, with this server's keys, in its exact bytes. */
  async function fromEngine(tenant: string, path: string): Promise<Page> {
    const engine = await bareEngine(server.core, tenant)
    const issuer = server.issuer + (tenant === 'default' ? '' : `/t/${tenant}`)
    const { host, pathname } = new URL(issuer)
    engine.use((ctx, next) => {
      Object.assign(ctx, { mountPath: pathname === '/' ? '' : pathname })
      return next()
    })
    const { sharedSecrets, signing } = server.core
    const secret = await sharedSecrets.get(tenant, 'encryption')
    const documents = path.startsWith('/.well-known/') ? [path] : []
    engine.use(publishedMetadata(documents, revocationsMetadata(issuer)))
    engine.use(publishedKeys(await signing.current(tenant), secret))
    const handle = engine.callback()
    const listener = createServer((request, response) => void handle(request, response))
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = listener.address() as AddressInfo
      const url = new URL(path, `http://127.0.0.1:${port}`)
      return await exchange({ method: 'GET', url, headers: { host } })
    } finally {
      listener.close()
      listener.closeAllConnections()
    }
  }

  it('do not depend on the headers of the first request (C17)', async () => {
    const evil = {
      host: 'evil.example',
      origin: 'https://evil.example',
      accept: 'text/html',
      'accept-language': 'xx',
      'if-none-match': 'W/"x", "y',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-prefix': '/evil',
    }
    for (const tenant of ['default', 'acme']) {
      for (const { address } of addressesOf(tenant)) {
        const first = await ask(`${address}?evil=1`, evil)
        const later = await ask(address)
        expect(first.status).to.equal(200)
        expect(first.body, address).to.equal(later.body).and.not.include('evil')
        const constant = ({ headers }: Page) =>
          [...headers].filter(([name]) => !['date', 'request-id'].includes(name))
        expect(constant(first), address).to.deep.equal(constant(later))
      }
    }
  })

  it('are byte for byte those of the engine, at every address of every tenant', async () => {
    for (const tenant of ['default', 'acme']) {
      for (const { address, own } of addressesOf(tenant)) {
        // The second request is answered from memory.
        await ask(address)
        const [ours, theirs] = [await ask(address), await fromEngine(tenant, own)]
        expect(theirs.status).to.equal(200)
        expect(ours.body, address).to.equal(theirs.body)
        for (const name of ['content-type', 'content-length']) {
          expect(ours.headers.get(name), `${address}: ${name}`).to.equal(theirs.headers.get(name))
        }
      }
    }
  })

  it('answer conditional requests as in RFC 9110 §13.1.2', async () => {
    for (const { address } of [...addressesOf('default'), ...addressesOf('acme')]) {
      const etag = (await ask(address)).headers.get('etag') ?? ''
      expect(etag, 'strong').to.match(/^"[\w-]{22}"$/)
      const same = [etag, `W/${etag}`, '*', ` ${etag} `, `"a,b", ${etag}`, `W/"a",W/${etag},"c"`]
      const other = ['""', `${etag.slice(0, -1)}x"`, etag.replaceAll('"', ''), '"*"', 'W/"x"']
      for (const method of ['GET', 'HEAD']) {
        for (const value of [...same, ...other]) {
          for (const reload of [{}, { 'cache-control': 'no-cache' }] as Record<string, string>[]) {
            const page = await ask(address, { 'if-none-match': value, ...reload }, method)
            const status = same.includes(value) ? 304 : 200
            expect(page.status, `${method} ${address}: ${value}`).to.equal(status)
            expect(page.headers.get('etag')).to.equal(etag)
            expect(page.headers.get('cache-control')).to.equal('public, max-age=300')
            expect(page.headers.get('access-control-allow-origin')).to.equal('*')
            if (status === 304) expect(page.body).to.equal('')
          }
        }
      }
    }
  })

  it('answer HEAD with the headers of GET and no body (RFC 9110 §9.3.2)', async () => {
    for (const { address } of [...addressesOf('default'), ...addressesOf('acme')]) {
      const [get, head] = [await ask(address), await ask(address, {}, 'HEAD')]
      expect(head.body).to.equal('')
      for (const name of ['content-length', 'content-type', 'etag', 'cache-control']) {
        expect(head.headers.get(name), name).to.equal(get.headers.get(name))
      }
      expect(get.headers.get('content-length')).to.equal(String(Buffer.byteLength(get.body)))
      for (const { headers } of [get, head]) {
        expect(headers.get('request-id')).to.match(/^[\da-f-]{36}$/)
        expect(headers.get('x-content-type-options')).to.equal('nosniff')
        expect(headers.get('cross-origin-resource-policy')).to.equal('cross-origin')
      }
    }
  })

  it('differ between tenants, and change with the keys', async () => {
    const before = await ask('/jwks')
    expect((await ask('/t/acme/jwks')).headers.get('etag')).to.not.equal(before.headers.get('etag'))
    await server.core.signing.ensure('default', ['EdDSA'])
    const after = await ask('/jwks', { 'if-none-match': before.headers.get('etag') ?? '' })
    expect(after.status).to.equal(200)
    expect(after.body).to.include('"EdDSA"')
    const { body } = await ask('/.well-known/openid-configuration')
    expect(body).to.equal((await fromEngine('default', '/.well-known/openid-configuration')).body)
  })
})
