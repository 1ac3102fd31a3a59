import { expect } from 'chai'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import type { Core } from '../../src/core.ts'
import { type Server, startServer } from '../../src/server.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage, onAnyStorage } from '../support/any-storage.ts'
import { boot, freshStorage, type StorageKind, type TestServer } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { alice, api, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import {
  authorizeUrl,
  encode,
  expectRefusal,
  introspect,
  post,
  redeem,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

const prepublish = 900
const rotateEvery = 1000
const settings = {
  KEY_PREPUBLISH: String(prepublish),
  KEY_ROTATE_EVERY: String(rotateEvery),
  KEY_RETAIN: '900',
}

/** What the helpers of protocol.ts need, and the core. */
type Node = TestServer & { core: Core }

/** Two servers, or one on embedded storage; in this process, so that they share the clock. */
async function startNodes(kind: StorageKind, more: Record<string, string> = {}) {
  const ports = [await freePort(), await freePort()]
  const env = {
    ...(await freshStorage(kind)),
    ...settings,
    ...more,
    ISSUER: `http://localhost:${ports[0]}`,
    LOG_LEVEL: 'silent',
  }
  const servers: Server[] = []
  const nodes: Node[] = []
  for (const port of kind === 'services' ? ports : ports.slice(0, 1)) {
    const core = await openNode({ ...env, PORT: String(port) })
    await core.firstStart()
    servers.push(await startServer(core))
    nodes.push({ core, issuer: `http://localhost:${port}` } as Node)
  }
  const [a, b = a] = nodes as [Node, Node?]
  return {
    a,
    b,
    async stop() {
      for (const server of servers) await server.stop()
      for (const { core } of nodes) await core.close()
    },
  }
}

async function publishedBy({ issuer }: Node): Promise<string[]> {
  const { keys } = (await (await fetch(`${issuer}/jwks`)).json()) as { keys: { kid: string }[] }
  return keys.map(({ kid }) => kid)
}

describe('KEY_PREPUBLISH (R-09)', () => {
  for (const [set, isTooShort] of [
    ['359', true],
    ['360', false],
  ] as const) {
    it(`of ${set} s, with key sets cached for 300 s, is ${isTooShort ? 'logged as too short' : 'long enough'}`, async () => {
      const server = await boot(anyStorage, { KEY_PREPUBLISH: set })
      await server.stop()
      expect(server.logged().includes('KEY_PREPUBLISH is too short')).to.equal(isTooShort)
    })
  }
})

const kidOf = (token: string | undefined) => decodeProtectedHeader(token as string).kid as string

onAnyStorage('signing keys', (kind) => {
  let nodes: Awaited<ReturnType<typeof startNodes>>
  beforeEach(async () => {
    nodes = await startNodes(kind)
    await furnish(nodes.a)
  })
  afterEach(async () => {
    backToPresent()
    await nodes?.stop()
  })

  const token = async (node: Node) =>
    tokensIn(
      await post(node, '/token', machine, {
        grant_type: 'client_credentials',
        scope: 'orders:read',
        resource: api,
      }),
    ).access_token

  /** Waits until both nodes publish the same keys. */
  async function agree(): Promise<void> {
    await eventually('both nodes publish the same keys', async () => {
      const [ofA, ofB] = await Promise.all([publishedBy(nodes.a), publishedBy(nodes.b)])
      return ofA.join() === ofB.join()
    })
  }

  async function rotate(node = nodes.a): Promise<void> {
    await node.core.signing.rotate(defaultTenant, 'ES256')
    await node.core.signing.rotate(defaultTenant, 'RS256')
    await agree()
  }

  it('verify through five rotations, and none signs before KEY_PREPUBLISH has passed (R-09)', async () => {
    const verifiers = [nodes.a, nodes.b, nodes.a, nodes.b].map(({ issuer }) =>
      createRemoteJWKSet(new URL(`${issuer}/jwks`), { cooldownDuration: 5000 }),
    )
    const seen = new Map<string, number>()
    const initial = new Set(await publishedBy(nodes.a))
    const signers = new Set<string>()
    let leads = Infinity
    const step = 100
    for (let time = 0; time < 5 * rotateEvery + prepublish; time += step) {
      travel(step)
      const [first, second] = time % (2 * step) === 0 ? [nodes.a, nodes.b] : [nodes.b, nodes.a]
      await first.core.signing.rotateDue()
      await second.core.signing.rotateDue()
      // Either node may have rotated on its own just before.
      await agree()
      for (const kid of await publishedBy(nodes.a)) {
        if (!seen.has(kid)) seen.set(kid, Date.now())
      }
      for (const node of [first, second]) {
        const jwt = await token(node)
        const kid = kidOf(jwt)
        signers.add(kid)
        if (!initial.has(kid)) leads = Math.min(leads, Date.now() - (seen.get(kid) ?? Infinity))
        for (const verifier of verifiers) await jwtVerify(jwt, verifier)
      }
    }
    expect(signers.size, 'keys that signed').to.be.within(5, 7)
    expect(leads / 1000, 'shortest time from publishing to signing').to.be.at.least(prepublish)
  })

  it('may change during a sign-in, which the new key completes', async () => {
    const before = kidOf((await tokensFor(nodes.a, web, { scope: 'openid' })).id_token)
    const agent = createUserAgent()
    const form = await agent.follow(await agent.get(authorizeUrl(nodes.a, web)))
    await rotate()
    travel(prepublish + 1)
    const page = await agent.follow(
      await agent.submit(form, { fields: { username: alice.email, password: alice.password } }),
    )
    const allowed = page.location ? page : await agent.follow(await agent.submit(page))
    const code = allowed.location?.searchParams.get('code') as string
    const { id_token: idToken } = tokensIn(await redeem(nodes.a, web, code))
    expect(kidOf(idToken)).to.not.equal(before)
    expect(await publishedBy(nodes.b)).to.include.members([before, kidOf(idToken)])
  })

  it('retire: an ID token is accepted as a hint as long as its key is published', async () => {
    const { id_token: hint } = await tokensFor(nodes.a, web, { scope: 'openid' })
    const logout = async () =>
      (await createUserAgent().get(`${nodes.b.issuer}/logout?${encode({ id_token_hint: hint })}`))
        .status
    await rotate()
    expect(await logout(), 'while its successor is pending').to.equal(303)
    travel(prepublish + 1)
    expect(await logout(), 'while retiring').to.equal(303)
    travel(900 + 60)
    expect(await publishedBy(nodes.b)).to.not.include(kidOf(hint))
    expect(await logout(), 'after removal').to.equal(400)
  })

  it('are revoked: within two seconds no node signs with them, publishes or accepts them (R-10)', async () => {
    const jwt = await token(nodes.b)
    const kid = kidOf(jwt)
    expect(await introspect(nodes.b, ordersApi, jwt)).to.include({ active: true })
    await nodes.a.core.signing.revoke(defaultTenant, kid)
    const since = performance.now()
    expect(kidOf(await token(nodes.a)), 'on this node, at once').to.not.equal(kid)
    const isKnown = async () => kidOf(await token(nodes.b)) !== kid
    const latest = await lastFailureAt('the other node signs with another key', isKnown, { since })
    expect(latest, 'last token signed with the revoked key by the other node').to.be.below(2000)
    for (const node of [nodes.a, nodes.b]) {
      expect(await publishedBy(node)).to.not.include(kid)
      expect(await introspect(node, ordersApi, jwt)).to.deep.equal({ active: false })
    }
    const fresh = await token(nodes.a)
    await jwtVerify(fresh, createRemoteJWKSet(new URL(`${nodes.b.issuer}/jwks`)))
  })

  it('of a new algorithm are published before they sign; until then token requests get 503 (R-09)', async () => {
    const algs = ['EdDSA', 'PS256'] as const
    const identifierOf = (alg: string) => `https://${alg.toLowerCase()}.example.com`
    for (const alg of algs) {
      await nodes.a.core.resources.declare(defaultTenant, {
        identifier: identifierOf(alg),
        scopes: ['read'],
        access_token_signing_alg: alg,
      })
    }
    await nodes.a.core.clients.declare(defaultTenant, { ...machine, scope: 'read' })
    await agree()
    const tokenOf = (alg: string) =>
      post(nodes.b, '/token', machine, {
        grant_type: 'client_credentials',
        scope: 'read',
        resource: identifierOf(alg),
      })
    const verifier = createRemoteJWKSet(new URL(`${nodes.a.issuer}/jwks`))
    for (const alg of algs) {
      const page = await eventually('the node knows the resource server', async () => {
        const answer = await tokenOf(alg)
        return answer.status !== 400 && answer
      })
      expectRefusal(page, 503, 'temporarily_unavailable')
      expect(page.json()).to.include({
        error_description:
          'The first key of this signature algorithm is published but does not sign yet; try again later.',
      })
    }
    travel(prepublish - 30)
    expect((await tokenOf('EdDSA')).status).to.equal(503)
    travel(31)
    for (const alg of algs) {
      const jwt = tokensIn(await tokenOf(alg)).access_token
      expect(decodeProtectedHeader(jwt).alg).to.equal(alg)
      await jwtVerify(jwt, verifier)
    }
  })

  it('of a new tenant sign at once, also with an algorithm declared before the first key', async () => {
    const { core } = nodes.a
    await core.tenants.declare({ id: 'fresh', name: 'Fresh' })
    await core.resources.declare('fresh', {
      identifier: 'https://eddsa.example.com',
      scopes: ['read'],
      access_token_signing_alg: 'EdDSA',
    })
    const { signing, published } = await core.signing.current('fresh')
    expect(signing.map(({ alg }) => alg)).to.have.members(['EdDSA', 'ES256', 'RS256'])
    expect(published).to.have.length(3)
    await core.signing.ensure('fresh', ['PS256'])
    const kid = (await core.signing.list('fresh')).find(({ alg }) => alg === 'PS256')?.kid as string
    await refusalOf(core.signing.sign('fresh', 'PS256', 'test+jwt', {}), 'signing_key_pending')
    // Its replacement waits for the full time as well.
    await core.signing.revoke('fresh', kid)
    await refusalOf(core.signing.sign('fresh', 'PS256', 'test+jwt', {}), 'signing_key_pending')
    travel(prepublish + 1)
    expect(kidOf(await core.signing.sign('fresh', 'PS256', 'test+jwt', {}))).to.not.equal(kid)
  })
})
