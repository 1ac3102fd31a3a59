import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { loadConfig } from '../../config/load.ts'
import { openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { endLeases } from '../support/leases.ts'
import { type LogoutReceiver, startLogoutReceiver } from '../support/logout-receiver.ts'
import { startNode } from '../support/node-process.ts'
import { authorizeUrl, redeem, tokensIn } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { startHere, startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import { createUserAgent } from '../support/user-agent.ts'

const suite = servicesFound() ? describe : describe.skip
suite('delivery of back-channel log-outs on two nodes (R-25)', function () {
  this.timeout(90_000)
  let nodes: TwoNodes
  let party: LogoutReceiver

  /** The number of tokens received before this test, and the ids of their messages. */
  let earlier = 0
  const ended = new Set<string>()

  before(async () => {
    nodes = await startTwoNodes({ ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish(nodes)
    party = await startLogoutReceiver({
      issuer: nodes.issuer,
      clientId: web.client_id,
      // The node behind the issuer may be dead; all nodes have the same keys.
      keysAt: () => nodes.b.url,
    })
    const backchannel_logout_uri = party.uri
    await nodes.core.clients.declare(defaultTenant, { ...web, backchannel_logout_uri })
  })
  after(async () => {
    await party?.stop()
    await nodes?.stop()
  })

  beforeEach(() => {
    earlier = party.received.length
  })
  afterEach(async () => {
    party.answerWith(undefined)
    nodes.b.signal('SIGCONT')
    for (const { id } of await outcomes()) ended.add(id)
  })

  const outcomes = async () =>
    (await nodes.core.logouts.list(defaultTenant, {})).filter(({ id }) => !ended.has(id))
  const received = () => party.received.slice(earlier)
  const newTokens = async (count: number) =>
    (await party.waitForTokens(earlier + count)).slice(earlier)

  /** Signs Alice in at the client through node a. */
  async function signedIn() {
    const server = { issuer: nodes.issuer } as TestServer
    const agent = createUserAgent()
    const { email: username, password } = alice
    const returned = await agent.walk(authorizeUrl(server, web), { username, password })
    const code = returned.searchParams.get('code') as string
    const tokens = tokensIn(await redeem(server, web, code))
    return { agent, sid: decodeJwt(tokens.id_token as string)['sid'] }
  }

  it('happens at once when a command commits the log-out itself (ASVS 7.6.1)', async () => {
    const core = await openCore(loadConfig(nodes.env), createLog({ level: 'silent' }), {
      schema: 'require',
    })
    try {
      const took: number[] = []
      // A busy machine may delay one of the three.
      for (const time of [0, 1, 2]) {
        await signedIn()
        const account = await core.accounts.byIdentifier(defaultTenant, alice.email)
        if (account) await core.revocations.logOutEverywhere(account)
        const committed = performance.now()
        await newTokens(time + 1)
        took.push((received()[time]?.at ?? Infinity) - committed)
      }
      expect(took.toSorted((a, b) => a - b)[1], took.join(' ms, ')).to.be.below(1000)
    } finally {
      await core.close()
    }
  })

  it('sends every message once while both nodes work', async () => {
    const account = await nodes.core.accounts.byIdentifier(defaultTenant, alice.email)
    const sids = Array.from({ length: 200 }, (_, i) => `device-${i}`)
    const accountId = account?.id as string
    const parts = sids.map((each) => ({ accountId, clientId: 'web', sid: each }))
    await nodes.core.logouts.tell(defaultTenant, parts, false)
    const messages = await newTokens(200)
    expect(new Set(messages.map(({ jti }) => jti)).size).to.equal(200)
    await eventually('all deliveries are recorded', async () =>
      (await outcomes()).every(({ state, attempts }) => state === 'delivered' && attempts === 1),
    )
  })

  it('is taken over by the other node when one is killed before the client answers', async () => {
    const { agent, sid } = await signedIn()
    // The other node must not take part until the first one is dead.
    nodes.b.signal('SIGSTOP')
    party.answerWith(() => undefined)
    const connections = party.connections()
    const asked = await agent.get(`${nodes.issuer}/logout`)
    const page = await agent.submit(asked)
    expect(page.status).to.equal(303)
    await eventually('an attempt is under way', () => party.connections() > connections)
    nodes.a.signal('SIGKILL')
    await nodes.a.exit
    nodes.b.signal('SIGCONT')
    const [interrupted] = await outcomes()
    expect(interrupted).to.include({ state: 'waiting', attempts: 1 })

    party.answerWith(undefined)
    await endLeases(nodes.core, 'backchannel_logout')
    await eventually(
      'the logout token is delivered',
      async () => (await outcomes())[0]?.state === 'delivered',
    )
    const [delivered, ...others] = await outcomes()
    expect(others).to.deep.equal([])
    expect(delivered).to.include({ attempts: 2, sid })
    const jtis = received().map(({ token }) => decodeJwt(token).jti)
    expect(new Set(jtis)).to.deep.equal(new Set([delivered?.id]))
    expect(received().at(-1)?.claims).to.include({ sid, jti: delivered?.id })
  })

  it('loses nothing when every node is killed between commit and delivery', async () => {
    await nodes.a.stop('SIGKILL')
    const issuing = await startNode({
      env: { ...nodes.env, PORT: new URL(nodes.issuer).port },
    })
    const { sid } = await signedIn()
    for (const node of [issuing, nodes.b]) node.signal('SIGKILL')
    await Promise.all([issuing.exit, nodes.b.exit])
    const connections = party.connections()
    // The command commits the log-out and delivers nothing.
    const signedOut = await runHere(['accounts', 'sign-out', alice.email], nodes.env)
    expect(signedOut.code, signedOut.stderr).to.equal(0)
    expect(party.connections()).to.equal(connections)
    expect((await outcomes())[0]).to.include({ state: 'waiting', attempts: 0 })

    const again = await startHere({ ...nodes.env, PORT: new URL(nodes.b.url).port })
    try {
      expect((await newTokens(1))[0]).to.include({ sid })
    } finally {
      await again.stop()
    }
  })
})
