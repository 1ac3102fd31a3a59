import { expect } from 'chai'
import { decodeJwt, type JWTPayload } from 'jose'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { serverAt } from '../outages/load.ts'
import type { TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, furnish, machine, ordersApi, spa, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { authorizeUrl, post, redeem, type StoryClient, tokensIn } from '../support/protocol.ts'
import {
  denies,
  type FeedStream,
  feedToken,
  openStream,
  type RevocationClaims,
  revocations,
} from '../support/revocations.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import { type NodePair, startHere, startNodeBeside } from '../support/two-nodes.ts'
import { createUserAgent } from '../support/user-agent.ts'

const suspended = 'suspended'

/** What a client holds when it is revoked, and how node b, which is this process, revokes it. */
interface Kind {
  client: StoryClient
  tenant?: string
  revoke(
    nodes: NodePair,
    held: { token: string; refresh: string; claims: JWTPayload },
  ): Promise<unknown>
  /** The claim under which the feed lists it. */
  by: string
}

const person = async ({ core }: NodePair) => {
  const account = await core.accounts.byIdentifier(defaultTenant, alice.email)
  if (!account) throw new Error('no account')
  return account
}
const pairwise = { ...web, client_id: 'pairwise', subject_type: 'pairwise' }

const kinds: Record<string, Kind> = {
  'an access token': {
    client: machine,
    by: 'jti',
    revoke: ({ b }, { token }) => post(serverAt(b.url), '/revoke', machine, { token }),
  },
  'a family, by its refresh token': {
    client: spa,
    by: 'fid',
    revoke: ({ b }, { refresh }) => post(serverAt(b.url), '/revoke', spa, { token: refresh }),
  },
  'a session': {
    client: web,
    by: 'sid',
    revoke: async ({ core }) => {
      const { id } = await person({ core } as NodePair)
      for (const { uid } of await core.sessions.list(defaultTenant, id)) {
        await core.revocations.endSession(defaultTenant, uid)
      }
    },
  },
  consent: {
    client: web,
    by: 'gid',
    revoke: async (nodes) =>
      nodes.core.revocations.revokeGrant(defaultTenant, (await person(nodes)).id, web.client_id),
  },
  'log-out everywhere': {
    client: web,
    by: 'sid',
    revoke: async (nodes) => nodes.core.revocations.logOutEverywhere(await person(nodes)),
  },
  'an account that is disabled': {
    client: web,
    by: 'fid',
    revoke: async (nodes) => {
      await nodes.core.revocations.setAccountDisabled(await person(nodes), true)
      await nodes.core.revocations.setAccountDisabled(await person(nodes), false)
    },
  },
  'a client': {
    client: spa,
    by: 'client_id',
    revoke: ({ core }) => core.revocations.setClientDisabled(defaultTenant, spa.client_id, true),
  },
  'an account that is deleted, under a pairwise subject': {
    client: pairwise,
    by: 'gid',
    revoke: async (nodes) =>
      nodes.core.revocations.deleteAccount(await person(nodes), { by: 'operator' }),
  },
  'a tenant': {
    client: machine,
    tenant: suspended,
    by: 'tenant_id',
    revoke: ({ core }) => core.revocations.setTenantDisabled(suspended, true),
  },
}

const suite = servicesFound() ? describe : describe.skip
suite('revocation on one node, in the revocation feed of another', function () {
  this.timeout(60_000)
  let nodes: NodePair
  before(async () => {
    nodes = await startNodeBeside()
    await furnish(nodes)
    await nodes.core.clients.declare(defaultTenant, pairwise)
    await nodes.core.tenants.declare({ id: suspended, name: 'Suspended' })
    await furnish(nodes, suspended)
  })
  after(() => nodes?.stop())

  const issuerOf = (tenant?: string) => `${nodes.issuer}${tenant ? `/t/${tenant}` : ''}`
  /** At node a, which did not perform the revocation. */
  const issuerAtA = (tenant?: string) => serverAt(issuerOf(tenant))

  async function hold({ client, tenant }: Kind) {
    const server = serverAt(issuerOf(tenant))
    if (client === machine) {
      const asked = { grant_type: 'client_credentials', resource: api }
      const { access_token: token } = tokensIn(await post(server, '/token', client, asked))
      return { token, refresh: '', claims: decodeJwt(token) }
    }
    const { email: username, password } = alice
    const url = authorizeUrl(server, client, { resource: api, scope: 'openid orders:read' })
    const returned = await createUserAgent().walk(url, { username, password })
    const code = returned.searchParams.get('code') as string
    const tokens = tokensIn(await redeem(server, client, code))
    const { access_token: token, refresh_token: refresh = '' } = tokens
    return { token, refresh, claims: decodeJwt(token) }
  }

  const token = (tenant?: string) =>
    feedToken({ issuer: issuerOf(tenant) } as TestServer, ordersApi)

  const revocationsOf = (stream: FeedStream) =>
    stream.events.map(({ data, at }) => ({ claims: decodeJwt<RevocationClaims>(data), at }))

  for (const [title, kind] of Object.entries(kinds)) {
    it(`${title}: arrives on the stream at once, and in the next poll`, async () => {
      const { tenant } = kind
      const held = await hold(kind)
      const access = await token(tenant)
      const a = issuerAtA(tenant)
      const page = async (fields: Record<string, string>) => {
        const url = new URL(
          `${a.issuer}/revocations?${new URLSearchParams({ audience: api, ...fields }).toString()}`,
        )
        const response = await fetch(url, { headers: { authorization: `Bearer ${access}` } })
        expect(response.status).to.equal(200)
        return decodeJwt<RevocationClaims>(await response.text())
      }
      const before = await page({})
      const stream = await openStream(a, access)
      try {
        await eventually('a first document arrives', () => stream.events[0])
        expect(denies(before.revoked, held.claims)).to.equal(false)
        await kind.revoke(nodes, held)
        const by = await eventually('the revocation arrives', () =>
          revocationsOf(stream).find(({ claims }) => denies(claims.revoked, held.claims)),
        )
        expect(by.claims.revoked[kind.by]).to.have.property(held.claims[kind.by] as string)
        const polled = await page({ since: before.cursor })
        expect(denies(polled.revoked, held.claims)).to.equal(true)
        expect(polled.as_of).to.be.at.least(before.as_of)
      } finally {
        stream.close()
      }
    })
  }

  it("of a disabled tenant: the tenant's other endpoints answer 404, and its feed refuses new clients", async () => {
    const keys = `${nodes.a.url}/t/${suspended}/jwks`
    await eventually('the tenant answers 404', async () => (await fetch(keys)).status === 404)
    const nobody = await fetch(`${nodes.a.url}/t/${suspended}/revocations?audience=${api}`)
    expect(nobody.status).to.equal(401)
    expect((await fetch(`${nodes.a.url}/t/never-was/revocations`)).status).to.equal(404)
  })

  it('survives a Redis flush, on a node that has just started', async () => {
    const held = await hold(kinds['an access token'] as Kind)
    const access = await token()
    const server = { issuer: nodes.issuer } as TestServer
    const before = await revocations(server, access)
    await post(serverAt(nodes.a.url), '/revoke', machine, { token: held.token })
    await services()?.redis.flush()
    // Node a has it in memory; a node that starts now reads it from Postgres.
    const fresh = await startHere({ ...nodes.env, PORT: String(await freePort()) })
    const after = await fetch(
      `${fresh.url}/revocations?audience=${encodeURIComponent(api)}&since=${before.cursor}`,
      { headers: { authorization: `Bearer ${access}` } },
    ).finally(fresh.stop)
    const claims = decodeJwt<RevocationClaims>(await after.text())
    expect(claims.since).to.equal(before.cursor)
    expect(denies(claims.revoked, held.claims)).to.equal(true)
  })
})
