import { expect } from 'chai'
import { currentOrigin } from '../../src/origin.ts'
import { boot, type TestServer } from '../support/boot.ts'
import {
  api,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  web,
} from '../support/fixtures.ts'
import {
  authorizeUrl,
  codeFor,
  introspect,
  post,
  redeem,
  refresh,
  type Tokens,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { grow, grownTables } from './rows.ts'

interface Asked {
  text: string
  values: unknown[]
}

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Total Cost': number
  Plans?: Plan[]
}

/** Everything that requests ask of Postgres while work is done, each statement once with what it was asked with. */
async function recorded(server: TestServer, work: () => Promise<unknown>): Promise<Asked[]> {
  const { dataSource } = server.core.database
  const create = dataSource.createQueryRunner.bind(dataSource)
  const asked = new Map<string, Asked>()
  dataSource.createQueryRunner = () => {
    const runner = create()
    const connect = runner.connect.bind(runner)
    runner.connect = async () => {
      const client = (await connect()) as { query(statement: Asked): unknown }
      const query = (statement: Asked) => {
        const { text, values } = statement
        if (currentOrigin().requestId !== undefined) asked.set(text, { text, values })
        return client.query(statement)
      }
      return Object.assign(Object.create(client), { query })
    }
    return runner
  }
  await work().finally(() => {
    dataSource.createQueryRunner = create
  })
  const isPlanned = ({ text }: Asked) => /^\s*(with|select|insert|update|delete)\b/i.test(text)
  return [...asked.values()].filter(isPlanned)
}

const inside = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(inside)]

const suite = servicesFound() ? describe : describe.skip
suite('what is asked of Postgres while it fills (R-19)', () => {
  let server: TestServer
  let statements: Asked[]

  /** Signing in, single sign-on, code, refresh and replay, introspection, userinfo, machines, revocation, signing out. */
  async function useIt(): Promise<void> {
    const agent = createUserAgent()
    const scope = 'openid offline_access'
    const code = await codeFor(server, web, { scope }, agent)
    const first = tokensIn(await redeem(server, web, code))
    await redeem(server, web, code)
    const tokens = async (fields: Record<string, string>): Promise<Tokens> =>
      tokensIn(await redeem(server, web, await codeFor(server, web, fields, agent)))
    const kept = await tokens({ scope })
    const next = tokensIn(await refresh(server, web, kept))
    tokensIn(await refresh(server, web, kept))
    tokensIn(await refresh(server, web, next))
    await refresh(server, web, first)
    expect((await userinfo(server, next.access_token)).status).to.equal(200)
    const opaqueTokens = await tokens({ scope: 'openid read', resource: opaque })
    await introspect(server, ordersApi, opaqueTokens.access_token)
    const ofMachine = { grant_type: 'client_credentials', resource: api }
    const { access_token: jwt } = tokensIn(await post(server, '/token', machine, ofMachine))
    await introspect(server, ordersApi, jwt)
    await post(server, '/revoke', machine, { token: jwt })
    await post(server, '/revoke', web, { token: next.refresh_token })
    await post(server, '/token', { ...machine, client_secret: 'wrong' }, ofMachine)
    const pushed = await post(
      server,
      '/par',
      web,
      Object.fromEntries(authorizeUrl(server, web).searchParams),
    )
    expect(pushed.status, pushed.body).to.equal(201)
    const stranger = createUserAgent()
    const form = await stranger.follow(await stranger.get(authorizeUrl(server, web)))
    expect(form.status).to.equal(200)
    await agent.get(new URL(`${server.issuer}/logout?client_id=web`))
  }

  /** The cost of each statement as Postgres estimates it, with the tables that it reads from end to end. */
  async function judged(): Promise<Map<string, { cost: number; read: string[] }>> {
    const found = new Map<string, { cost: number; read: string[] }>()
    for (const { text, values } of statements) {
      const [row] = await server.core.database.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `explain (format json) ${text}`,
        values,
      )
      const { Plan: plan } = (row as NonNullable<typeof row>)['QUERY PLAN'][0]
      const read = inside(plan).filter((node) => node['Node Type'] === 'Seq Scan')
      found.set(text, {
        cost: plan['Total Cost'],
        read: read
          .map((node) => node['Relation Name'] ?? '')
          .filter((name) => grownTables.includes(name)),
      })
    }
    return found
  }

  before(async () => {
    server = await boot('services', { LOG_LEVEL: 'silent' })
    await furnish(server)
    await furnishOpaque(server)
    await grow(server.core, 1, 2000)
    statements = await recorded(server, useIt)
  })
  after(async () => {
    // Where every secret of the run is looked for in all that is kept, these rows would take minutes.
    for (const statement of [
      'alter table audit_events disable trigger user',
      `truncate ${grownTables.join(', ')} cascade`,
      'alter table audit_events enable trigger user',
    ]) {
      await server?.core.database.execute(statement)
    }
    await server?.stop()
  })

  it('is found by an index, and costs no more among ten times as many rows', async () => {
    expect(statements.length).to.be.above(30)
    const few = await judged()
    await grow(server.core, 2001, 20_000)
    const many = await judged()
    for (const [text, { cost, read }] of many) {
      expect(read, text).to.deep.equal([])
      const before = few.get(text)?.cost as number
      // A page more on the way through an index.
      expect(cost, `${text}\ncost ${before}`).to.be.below(before * 1.5 + 10)
    }
  })
})
