import { expect } from 'chai'
import type { KeySet } from '../../src/signing/key-set.ts'
import { stateOf } from '../../src/signing/signing-key.ts'
import { isUniqueViolation } from '../../src/storage/violations.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { errorOf, type Nodes, openNodes, refusalOf } from '../support/cores.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const day = 24 * 3600
const settings = { KEY_PREPUBLISH: '900', KEY_RETAIN: String(30 * day) }

onAnyStorage('rotation of signing keys (R-09)', (kind) => {
  let nodes: Nodes
  beforeEach(async () => {
    nodes = await openNodes(kind, settings)
    await nodes.a.signing.ensure(defaultTenant, ['ES256', 'RS256'])
  })
  afterEach(async () => {
    backToPresent()
    await nodes?.close()
  })

  const signer = (set: KeySet, alg = 'ES256') => set.signing.find((key) => key.alg === alg)?.kid
  const published = (set: KeySet) => set.published.map(({ kid }) => kid)

  async function current(node = nodes.a): Promise<KeySet> {
    return node.signing.current(defaultTenant)
  }

  async function states(): Promise<Record<string, string>> {
    const keys = await nodes.a.signing.list(defaultTenant)
    const now = nodes.a.clock.now()
    return Object.fromEntries(keys.map((key) => [key.kid, stateOf(key, now)]))
  }

  it('publishes a key first, and signs with it once it has been published for KEY_PREPUBLISH', async () => {
    travel(0)
    const first = signer(await current())
    const rotation = await nodes.a.signing.rotate(defaultTenant, 'ES256')
    const next = rotation?.next.kid
    expect(rotation?.outcome).to.equal('published')
    expect(published(await current())).to.include.members([first, next])
    expect(signer(await current())).to.equal(first)

    travel(900)
    expect(signer(await current()), 'published for 900 s by the last node to notice').to.equal(
      first,
    )
    travel(1)
    expect(signer(await current())).to.equal(next)
    expect(published(await current()), 'still verifies what it signed').to.include(first)
    travel(30 * day)
    expect(published(await current())).to.include(first)
    travel(60)
    expect(published(await current())).to.not.include(first)
    expect((await states())[first as string]).to.equal('removed')
  })

  it('does nothing while a key is pending, however many nodes rotate in parallel', async () => {
    const rotations = await Promise.all(
      [nodes.a, nodes.b, nodes.a, nodes.b].map((node) =>
        node.signing.rotate(defaultTenant, 'ES256'),
      ),
    )
    expect(rotations.filter((rotation) => rotation?.outcome === 'published')).to.have.length(1)
    expect(new Set(rotations.map((rotation) => rotation?.next.kid)).size).to.equal(1)
    expect(await nodes.b.signing.rotate(defaultTenant, 'EdDSA'), 'no such key').to.equal(undefined)
  })

  it('follows the schedule, once for all nodes', async () => {
    expect(await nodes.a.signing.rotateDue()).to.equal(0)
    travel(90 * day - 2 * 3600)
    expect(await nodes.a.signing.rotateDue()).to.equal(0)
    travel(2 * 3600 - 901)
    const counts = await Promise.all([nodes.a, nodes.b].map((node) => node.signing.rotateDue()))
    expect(counts[0]! + counts[1]!).to.equal(2)
    expect(await nodes.b.signing.rotateDue()).to.equal(0)
    travel(901)
    expect(Object.values(await states()).toSorted()).to.deep.equal([
      'active',
      'active',
      'retiring',
      'retiring',
    ])
  })

  it('catches up after a year without a node: the old key signs until the new one has been published', async () => {
    const first = signer(await current())
    travel(365 * day)
    expect(signer(await current())).to.equal(first)
    expect(await nodes.b.signing.rotateDue()).to.equal(2)
    await eventually('a publishes all keys', async () => published(await current()).length === 4)
    expect(signer(await current())).to.equal(first)
    travel(901)
    expect(signer(await current())).to.not.equal(first)
  })

  it('revokes the active key: its successor signs at once, even before its time (R-10)', async () => {
    const [first, next] = [
      signer(await current()) as string,
      (await nodes.a.signing.rotate(defaultTenant, 'ES256'))?.next.kid,
    ]
    await eventually('b publishes the next key', async () =>
      published(await current(nodes.b)).includes(next ?? ''),
    )
    const revocation = await nodes.a.signing.revoke(defaultTenant, first)
    expect(revocation.replacement?.kind).to.equal('promoted')
    expect(signer(await current())).to.equal(next)
    const late = await lastFailureAt(
      'b signs with the next key',
      async () => signer(await current(nodes.b)) === next,
    )
    expect(late).to.be.below(2000)
    expect(published(await current(nodes.b))).to.not.include(first)
    expect(await nodes.b.signing.revoke(defaultTenant, first)).to.include({ changed: false })
    const rows = await nodes.a.database.query(
      'select private_jwk from signing_keys where kid = $1',
      [first],
    )
    expect(rows, 'private key').to.deep.equal([{ private_jwk: null }])
  })

  it('revokes the only key: a new one signs at once (R-10)', async () => {
    const first = signer(await current(), 'RS256') as string
    expect(signer(await current(nodes.b), 'RS256')).to.equal(first)
    const revocation = await nodes.b.signing.revoke(defaultTenant, first)
    const next = revocation.replacement?.key.kid
    expect(revocation.replacement?.kind).to.equal('new')
    const since = performance.now()
    for (const node of [nodes.a, nodes.b]) {
      const knows = async () => signer(await current(node), 'RS256') === next
      expect(await lastFailureAt('the node signs with the next key', knows, { since })).to.be.below(
        2000,
      )
      expect(published(await current(node))).to.not.include(first)
    }
    await refusalOf(nodes.a.signing.revoke(defaultTenant, 'no such key'), 'signing_key_not_found')
  })

  it('revokes a pending key: the active one goes on, and gets another successor', async () => {
    const first = signer(await current())
    const pending = (await nodes.a.signing.rotate(defaultTenant, 'ES256'))?.next.kid as string
    const revocation = await nodes.b.signing.revoke(defaultTenant, pending)
    expect(revocation.replacement).to.equal(undefined)
    travel(2 * day)
    expect(signer(await nodes.a.signing.open(defaultTenant))).to.equal(first)
    expect((await nodes.a.signing.rotate(defaultTenant, 'ES256'))?.outcome).to.equal('published')
    expect((await states())[pending]).to.equal('revoked')
  })

  it('wipes private keys as soon as they are unused, and deletes their rows later', async () => {
    const first = signer(await current())
    await nodes.a.signing.rotate(defaultTenant, 'ES256')
    const rows = () =>
      nodes.a.database.query<{ wiped: boolean }>(
        `select private_jwk is null as wiped from signing_keys where kid = $1`,
        [first],
      )
    travel(900 + 30 * day)
    await nodes.a.signing.sweep()
    expect(await rows()).to.deep.equal([{ wiped: false }])
    travel(70)
    await nodes.a.signing.sweep()
    expect(await rows()).to.deep.equal([{ wiped: true }])
    travel(91 * day)
    await nodes.a.signing.sweep()
    expect(await rows()).to.deep.equal([])
    expect(signer(await current())).to.be.a('string')
  })

  it('cannot give a key two successors, by a unique index in Postgres', async () => {
    const copy = nodes.a.database.execute(
      `insert into signing_keys select (jsonb_populate_record(k, '{"kid": "another"}')).* from signing_keys k where alg = 'ES256'`,
    )
    expect(isUniqueViolation(await errorOf(copy))).to.equal(true)
  })
})
