import { expect } from 'chai'
import type { TestServer } from '../support/boot.ts'
import {
  type Acknowledgement,
  answerRequest,
  askForResult,
  bank,
  openRequest,
  outcomeOf,
  startRequest,
} from '../support/ciba.ts'
import { furnish } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import { expectRefusal, refresh, type Tokens, tokensIn } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type NodePair, startNodeBeside, stopWithoutTraces } from '../support/two-nodes.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const suite = servicesFound() ? describe : describe.skip
suite('backchannel authentication requests on two nodes with one Postgres and one Redis', function () {
  this.timeout(60_000)
  let nodes: NodePair
  let a: TestServer
  let b: TestServer
  /** Signed in at A, the issuer. */
  let agent: UserAgent

  before(async () => {
    nodes = await startNodeBeside()
    await furnish({ core: nodes.core })
    remember(bank.client_secret)
    await nodes.core.clients.declare('default', bank)
    ;[a, b] = [nodes.a, nodes.b].map(({ url }) => ({ issuer: url }) as TestServer) as [
      TestServer,
      TestServer,
    ]
    agent = createUserAgent()
  })
  after(() => nodes && stopWithoutTraces(nodes))

  async function allowed(): Promise<Acknowledgement> {
    const request = await startRequest(b, { scope: 'openid offline_access' })
    await answerRequest(a, '#allow', agent)
    return request
  }

  it('start on one node, are allowed on the other, redeemed on either and refreshed on the other', async () => {
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const tokens = tokensIn(await askForResult(one, await allowed()))
      tokensIn(await refresh(other, bank, tokens))
    }
  })

  it('answer slow_down to a client that polls the two nodes in turn', async () => {
    const request = await startRequest(a)
    expectRefusal(await askForResult(a, request), 400, 'authorization_pending')
    expectRefusal(await askForResult(b, request), 400, 'slow_down')
    await answerRequest(a, '#deny', agent)
  })

  it('issue tokens once when redeemed 20 times in parallel on both nodes, and revoke those (C26)', async () => {
    for (let round = 0; round < 3; round += 1) {
      const request = await allowed()
      const pages = await Promise.all(
        Array.from({ length: 20 }, (_, i) => askForResult(i % 2 === 0 ? a : b, request)),
      )
      const won = pages.filter(({ status }) => status === 200)
      expect(won).to.have.length(1)
      // A request that waits too long on a busy machine gets 503, which says nothing about the code.
      const refused = pages.filter(({ status }) => status !== 200 && status !== 503)
      expect(refused).not.to.be.empty
      for (const page of refused) expectRefusal(page, 400, 'invalid_grant')
      const [tokens] = won.map((page) => page.json() as Tokens)
      expectRefusal(await refresh(a, bank, tokens as Tokens), 400, 'invalid_grant')
    }
  })

  it('are decided once when allowed and denied in parallel, and the client gets the outcome that the user saw (C26)', async () => {
    for (let round = 0; round < 4; round += 1) {
      const request = await startRequest(b)
      const page = await openRequest(a, agent)
      const ends = await Promise.all([
        agent.submit(page, { button: '#allow' }),
        agent.submit(page, { button: '#deny' }),
      ])
      const outcomes = ends.map(outcomeOf)
      expect(outcomes).to.be.deep.oneOf([
        ['allowed', 'over'],
        ['over', 'denied'],
      ])
      const answer = await askForResult(round % 2 === 0 ? a : b, request)
      if (outcomes[0] === 'allowed') tokensIn(answer)
      else expectRefusal(answer, 400, 'access_denied')
    }
  })

  it('expire with a Redis flush, pending and allowed ones alike, and new ones work', async () => {
    const granted = await allowed()
    const waiting = await startRequest(b)
    await forgetShortLived(nodes.core, nodes.env)
    for (const request of [granted, waiting]) {
      expectRefusal(await askForResult(a, request), 400, 'expired_token')
    }
    tokensIn(await askForResult(b, await allowed()))
  })
})
