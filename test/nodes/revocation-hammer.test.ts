import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { serverAt } from '../outages/load.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import {
  codeFor,
  redeem,
  refresh,
  type StoryClient,
  type Tokens,
  tokensFor,
} from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type NodePair, startNodeBeside } from '../support/two-nodes.ts'
import { createUserAgent } from '../support/user-agent.ts'

const offline = { scope: 'openid offline_access' }
const rounds = 5

const suite = servicesFound() ? describe : describe.skip
suite('codes and refresh tokens on two nodes while their account, client or grant is revoked and restored', function () {
  this.timeout(120_000)
  let nodes: NodePair
  before(async () => {
    nodes = await startNodeBeside()
    await furnish({ core: nodes.core })
  })
  after(() => nodes?.stop())

  const either = (i: number) => serverAt(i % 2 === 0 ? nodes.a.url : nodes.b.url)

  /** In a transaction that waits for nothing else, so the client is enabled again while requests are in flight. */
  const enableAtOnce = ({ client_id: id }: StoryClient) => {
    const { database, revocations } = nodes.core
    return database.transaction(() => revocations.setClientDisabled('default', id, false))
  }

  const causes = {
    client: {
      ended: 'client.disabled',
      flap: async (client: StoryClient) => {
        const { revocations } = nodes.core
        await revocations.setClientDisabled('default', client.client_id, true)
        await enableAtOnce(client)
      },
    },
    account: {
      ended: 'account.disabled',
      flap: async (_: StoryClient, account: Account) => {
        const { revocations } = nodes.core
        await revocations.setAccountDisabled(account, true)
        await revocations.setAccountDisabled(account, false)
      },
    },
    'grant and session': {
      ended: 'account.signed_out_everywhere',
      flap: async (client: StoryClient, account: Account) => {
        const { revocations } = nodes.core
        await Promise.all([
          revocations.revokeGrant('default', account.id, client.client_id),
          revocations.logOutEverywhere(account),
          revocations.setClientDisabled('default', client.client_id, true),
        ])
        await enableAtOnce(client)
      },
    },
  }

  for (const [what, { ended, flap }] of Object.entries(causes)) {
    it(`${what}: no older family survives, and there are no deadlocks (C4, C26)`, async () => {
      const { core } = nodes
      const account = (await core.accounts.byIdentifier('default', alice.email)) as Account
      for (let round = 0; round < rounds; round++) {
        const client = { ...web, client_id: `${what.replaceAll(' ', '-')}-${round}` }
        await core.clients.declare('default', client)
        const agent = createUserAgent()
        const codes: string[] = []
        const tokens: Tokens[] = []
        for (let i = 0; i < 4; i++) {
          codes.push(await codeFor(either(0), client, offline, agent))
          tokens.push(await tokensFor(either(0), client, offline, agent))
        }
        const answers = await Promise.all([
          ...codes.map((code, i) => redeem(either(i), client, code)),
          ...tokens.map((each, i) => refresh(either(i), client, each)),
          ...tokens.map((each, i) => refresh(either(i + 1), client, each)),
          flap(client, account),
        ])
        const statuses = answers.flatMap((answer) => (answer ? [answer.status] : []))
        expect(statuses.filter((status) => ![200, 400, 401].includes(status))).to.deep.equal([])
        const alive = await core.database.query(
          `select f.id from families f
           where f.client_id = $1 and f.ended_at is null
             and f.created_at <= (select max(at) from audit_events where type = $2)`,
          [client.client_id, ended],
        )
        expect(alive, `round ${round}`).to.deep.equal([])
      }
      const [row] = await core.database.query<{ deadlocks: number }>(
        `select pg_stat_get_db_deadlocks(oid)::int as deadlocks from pg_database
         where datname = current_database()`,
      )
      expect(row?.deadlocks).to.equal(0)
    })
  }
})
