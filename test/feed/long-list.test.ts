import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import type { Core } from '../../src/core.ts'
import type { ResourceServer } from '../../src/resources/resource-server.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { api, furnish } from '../support/fixtures.ts'
import type { RevocationClaims } from '../support/revocations.ts'
import { servicesFound } from '../support/root-hooks.ts'

const entries = 100_000

const suite = servicesFound() ? describe : describe.skip
suite('a revocation feed of a hundred thousand entries', () => {
  let core: Core
  let server: ResourceServer
  before(async () => {
    const env = await freshStorage('services')
    const before = await openNode(env)
    await furnish({ core: before })
    for (let first = 1; first <= entries; first += 10_000) {
      await before.database.execute(
        `insert into denials (tenant_id, kind, subject, not_before, created_at, expires_at)
         select $1, 'session', left(encode(sha256(i::text::bytea), 'base64'), 43), 'infinity', $2::timestamptz,
           $2::timestamptz + interval '20 minutes' from generate_series($3::int, $3::int + 9999) as i`,
        [defaultTenant, new Date(Date.now() - 60_000), first],
      )
    }
    await before.close()
    core = await openNode(env)
    server = (await core.resources.find(defaultTenant, api)) as ResourceServer
  })
  after(() => core?.close())

  /** The document of a node that is up to date: handling so long a list may have delayed its polls. */
  async function documentSince(cursor?: string) {
    await core.changes.start()
    return core.revocationFeed.document(defaultTenant, server, cursor)
  }

  it('is bounded in size, and computed once for concurrent requests', async function () {
    const started = performance.now()
    const [one, ...others] = await Promise.all(
      Array.from({ length: 50 }, () => core.revocationFeed.document(defaultTenant, server)),
    )
    const took = Math.round(performance.now() - started)
    for (const other of others) expect(other).to.equal(one)
    const { revoked } = decodeJwt<RevocationClaims>(one?.jws ?? '')
    expect(Object.keys(revoked['sid'] ?? {})).to.have.length(entries)
    const bytes = one?.jws.length ?? 0
    expect(bytes / entries, 'bytes of an entry').to.be.below(90)
    const small = gzipSync(one?.jws ?? '', { level: 5 }).length
    if (this.test) this.test.title += `: ${bytes} bytes, ${small} with gzip, ${took} ms`
  })

  it('is sent as a short update to a caller with a cursor', async () => {
    const { cursor } = await documentSince()
    await core.denials.add(defaultTenant, [{ kind: 'jti', subject: 'new' }])
    const delta = await documentSince(cursor)
    const { since, revoked } = decodeJwt<RevocationClaims>(delta.jws)
    expect(since).to.equal(cursor)
    expect(Object.keys(revoked)).to.deep.equal(['jti'])
    expect(delta.jws.length).to.be.below(1000)
  })

  it('includes entries that were written before a cursor but committed after it', async () => {
    const { cursor } = await documentSince()
    await core.database.execute(
      `insert into denials (tenant_id, kind, subject, not_before, created_at, expires_at)
       values ($1, 'jti', 'late', 'infinity', $2::timestamptz, $2::timestamptz + interval '20 minutes')`,
      [defaultTenant, new Date(Date.now() - 10_000)],
    )
    await core.denials.refresh()
    const { jws } = await documentSince(cursor)
    expect(decodeJwt<RevocationClaims>(jws).revoked['jti']).to.have.property('late')
  })
})
