import { expect } from 'chai'
import { implicitDefault } from '../../src/resources/resource-server.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { openedNodes, raceOver, refusalOf } from '../support/cores.ts'

onAnyStorage('resource servers', (kind) => {
  const nodes = openedNodes(kind)

  const declare = (declaration: unknown, tenant = defaultTenant) =>
    nodes.a.resources.declare(tenant, declaration)
  const orders = { identifier: 'https://orders.example.com', scopes: ['orders:read'] }

  it('have the documented defaults', async () => {
    expect(await declare(orders)).to.equal('created')
    expect(await nodes.a.resources.find(defaultTenant, orders.identifier)).to.deep.equal({
      ...orders,
      access_token_format: 'jwt',
      access_token_signing_alg: 'ES256',
      introspection_clients: [],
      default: false,
      open: false,
    })
  })

  it('stay unchanged when declared twice, and change any member when declared differently', async () => {
    const declared = {
      identifier: 'https://twice.example.com',
      name: 'Twice',
      scopes: ['a', 'b'],
      access_token_format: 'opaque',
      introspection_clients: ['x'],
    }
    expect(await declare(declared)).to.equal('created')
    expect(await declare(declared)).to.equal('unchanged')
    const changes = [
      { name: 'Other' },
      { scopes: ['a'] },
      { access_token_format: 'jwt' },
      { access_token_signing_alg: 'EdDSA' },
      { introspection_clients: [] },
      { open: true },
    ]
    for (const change of changes) {
      expect(await declare({ ...declared, ...change }), JSON.stringify(change)).to.equal('updated')
      expect(await declare(declared)).to.equal('updated')
    }
  })

  it('pass the default on: only the one declared last has it', async () => {
    const [one, two] = ['https://one.example.com', 'https://two.example.com']
    await declare({ identifier: one, default: true })
    expect((await nodes.a.resources.default(defaultTenant))?.identifier).to.equal(one)
    await declare({ identifier: two, default: true })
    expect((await nodes.a.resources.default(defaultTenant))?.identifier).to.equal(two)
    expect((await nodes.a.resources.find(defaultTenant, one))?.default).to.equal(false)
    await declare({ identifier: two })
    expect(await nodes.a.resources.default(defaultTenant)).to.equal(undefined)
  })

  it('have one default, even if ten are declared as default concurrently', async () => {
    await nodes.a.tenants.declare({ id: 'raced', name: 'Raced' })
    const tally = await raceOver(nodes, 10, (node, i) =>
      node.resources
        .declare('raced', { identifier: `https://r${i}.example.com`, default: true })
        .catch((error: Error) => error.message),
    )
    const defaults = await nodes.a.database.query(
      `select 1 from resource_servers where tenant_id = 'raced' and is_default`,
    )
    expect(defaults).to.have.length(1)
    expect(tally).to.deep.equal({ created: 10 })
  })

  it('of one tenant are unknown in another', async () => {
    await nodes.a.tenants.declare({ id: 'other', name: 'Other' })
    await declare({ ...orders, default: true }, 'other')
    await declare({ identifier: 'https://mine.example.com', default: true })
    expect((await nodes.a.resources.default('other'))?.identifier).to.equal(orders.identifier)
    expect(await nodes.a.resources.find('other', 'https://mine.example.com')).to.equal(undefined)
  })

  it('are refused with all faults at once', async () => {
    const refusal = await refusalOf(
      declare({
        identifier: 'https://x.example.com/#part',
        scopes: ['openid', 'two words'],
        access_token_format: 'paseto',
        access_token_signing_alg: 'none',
        colour: 'red',
      }),
      'resource_server_invalid',
    )
    const text = JSON.stringify(refusal.detail)
    for (const part of ['identifier', 'RFC 8707', 'scopes', 'access_token_format', 'colour']) {
      expect(text).to.contain(part)
    }
    for (const declaration of [null, undefined, 'text', {}, { identifier: '/relative' }]) {
      await refusalOf(declare(declaration), 'resource_server_invalid')
    }
  })

  it('include the issuer itself, for userinfo, even if none is declared', () => {
    expect(implicitDefault('https://id.example.com')).to.include({
      identifier: 'https://id.example.com',
      default: true,
      access_token_format: 'jwt',
    })
  })
})
