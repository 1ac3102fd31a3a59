import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { deviceCodeGrant } from '../../src/clients/client.ts'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from '../support/boot.ts'
import {
  askFor,
  type DeviceAuthorization,
  enterCode,
  finishSteps,
  outcomeOf,
  startDevice,
} from '../support/devices.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { eventually } from '../support/eventually.ts'
import { alice, furnish, tv } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import { expectRefusal, refresh, type Tokens, tokensIn } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type NodePair, startNodeBeside, stopWithoutTraces } from '../support/two-nodes.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const suite = servicesFound() ? describe : describe.skip
suite('device codes on two nodes with one Postgres and one Redis', function () {
  this.timeout(60_000)
  let nodes: NodePair
  let a: TestServer
  let b: TestServer
  let agent: UserAgent

  before(async () => {
    nodes = await startNodeBeside({ ALLOW_LOOPBACK_FETCH: 'on' })
    await furnish({ core: nodes.core })
    ;[a, b] = [nodes.a, nodes.b].map(({ url }) => ({ issuer: url }) as TestServer) as [
      TestServer,
      TestServer,
    ]
  })
  beforeEach(async () => {
    agent = createUserAgent()
    expect(outcomeOf(await approveAcrossNodes(agent, await started()))).to.equal('allowed')
  })
  after(() => nodes && stopWithoutTraces(nodes))

  async function started(scope = 'openid offline_access'): Promise<DeviceAuthorization> {
    const device = await startDevice(a, { scope })
    remember(device.device_code, device.user_code, device.user_code.replace('-', ''))
    return device
  }

  /** Goes through all steps and sends each request to the other node than the one before. */
  async function approveAcrossNodes(person: UserAgent, { user_code }: DeviceAuthorization) {
    const credentials = { username: alice.email, password: alice.password }
    let page = await enterCode(b, person, user_code)
    for (let step = 0; step < 20; step += 1) {
      const here = page.url.host === new URL(a.issuer).host ? nodes.b : nodes.a
      if (page.location) {
        page = await person.get(nodes.on(here, page.location))
        continue
      }
      if (!page.root.querySelector('form')) return page
      const isLogin = page.root.querySelector('input[name=password]') !== null
      page = await person.submit(page, { fields: isLogin ? credentials : {} })
    }
    throw new Error(`more than 20 steps: ${page.body}`)
  }

  it('work on the other node for a client with a metadata document that has not been used before', async () => {
    const host = await startDocumentHost()
    try {
      const grant_types = [deviceCodeGrant, 'refresh_token']
      const policy = { client_id_metadata_documents: true, grant_types }
      await nodes.core.registrationPolicies.declare(defaultTenant, registrationPolicy.parse(policy))
      const clientAt = (path: string) => ({
        client_id: host.publish(path, { grant_types, redirect_uris: [] }),
        token_endpoint_auth_method: 'none',
      })
      const another = clientAt('/another')
      for (const node of [a, b]) {
        await eventually('the node knows the policy', () => startDevice(node, {}, another))
      }
      const client = clientAt('/tv')
      const device = await startDevice(a, { scope: 'openid' }, client)
      const page = await enterCode(b, createUserAgent(), device.user_code)
      expect(page.status, page.body).to.equal(200)
      expect(page.body).to.contain('A travelling tool')
      expect(host.asked.get('/tv'), 'fetches, one by each node').to.equal(2)
    } finally {
      host.stop()
    }
  })

  async function allowed(scope?: string): Promise<DeviceAuthorization> {
    const device = await started(scope)
    expect(outcomeOf(await approveAcrossNodes(agent, device))).to.equal('allowed')
    return device
  }

  const account = async () =>
    (await nodes.core.accounts.byIdentifier('default', alice.email)) as Account

  it('start on one node, are allowed across both, redeemed on either and refreshed on the other', async () => {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const tokens = tokensIn(await askFor(one, await allowed()))
      tokensIn(await refresh(other, tv, tokens))
    }
  })

  it('answer slow_down to a device that polls the two nodes in turn (P-033)', async () => {
    const device = await started()
    expectRefusal(await askFor(a, device), 400, 'authorization_pending')
    expectRefusal(await askFor(b, device), 400, 'slow_down')
    expectRefusal(await askFor(a, device), 400, 'slow_down')
  })

  it('issue tokens once when redeemed 20 times in parallel on both nodes, and revoke those (C26)', async () => {
    for (let round = 0; round < 5; round += 1) {
      const device = await allowed()
      const pages = await Promise.all(
        Array.from({ length: 20 }, (_, i) => askFor(i % 2 === 0 ? a : b, device)),
      )
      const won = pages.filter(({ status }) => status === 200)
      expect(won).to.have.length(1)
      // A request that waits too long on a busy machine gets 503, which says nothing about the code.
      const refused = pages.filter(({ status }) => status !== 200 && status !== 503)
      expect(refused).not.to.be.empty
      for (const page of refused) expectRefusal(page, 400, 'invalid_grant')
      const tokens = won[0]?.json() as Tokens
      remember(tokens.access_token, tokens.refresh_token as string)
      expectRefusal(await refresh(a, tv, tokens), 400, 'invalid_grant')
    }
  })

  it('are decided once when allowed and denied on both nodes in parallel (C26)', async () => {
    for (let round = 0; round < 5; round += 1) {
      const device = await started()
      const stranger = createUserAgent()
      const [yes, no] = await Promise.all([
        enterCode(a, agent, device.user_code),
        enterCode(b, stranger, device.user_code),
      ])
      const ends = await Promise.all([
        finishSteps(agent, yes),
        stranger.submit(no, { button: '#deny' }).then((sent) => stranger.follow(sent)),
      ])
      const answer = await askFor(round % 2 === 0 ? a : b, device)
      const outcomes = ends.map(outcomeOf)
      if (outcomes[0] === 'allowed') {
        expect(outcomes).to.deep.equal(['allowed', 'over'])
        tokensIn(answer)
      } else {
        expect(outcomes).to.deep.equal(['over', 'denied'])
        expectRefusal(answer, 400, 'access_denied')
      }
    }
  })

  for (const [cause, end] of [
    ['log out everywhere', async () => nodes.core.revocations.logOutEverywhere(await account())],
    ['password changed', async () => nodes.core.revocations.passwordChanged(await account())],
    [
      'grant revoked',
      async () => nodes.core.revocations.revokeGrant('default', (await account()).id, tv.client_id),
    ],
    [
      'session ended',
      async () => {
        const page = await agent.get(`${b.issuer}/account`)
        expect((await agent.submit(page)).status).to.equal(303)
      },
    ],
  ] as const) {
    it(`${cause}: both nodes refuse at once, without a notification (C4, C5)`, async () => {
      const bound = [await allowed('openid'), await allowed('openid')] as const
      const free = [await allowed(), await allowed()] as const
      await end()
      for (const [bears, devices] of [
        [false, bound],
        [cause === 'session ended', free],
      ] as const) {
        for (const [i, on] of [a, b].entries()) {
          const answer = await askFor(on, devices[i] as DeviceAuthorization)
          if (bears) tokensIn(answer)
          else expectRefusal(answer, 400, 'expired_token')
        }
      }
    })
  }

  it('expire with a Redis flush, while the count of wrong codes is kept', async () => {
    const device = await allowed()
    const waiting = await started()
    const wrong = async (on: TestServer) => (await enterCode(on, agent, 'BCDF-GHJK')).status
    for (let i = 0; i < 10; i += 1) expect(await wrong(i % 2 === 0 ? a : b)).to.equal(400)
    await forgetShortLived(nodes.core, nodes.env)
    expect(await wrong(b)).to.equal(429)
    expectRefusal(await askFor(a, device), 400, 'expired_token')
    expectRefusal(await askFor(b, waiting), 400, 'expired_token')
  })
})
