import { expect } from 'chai'
import pg from 'pg'
import { boot, type TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { type Mailbox, openMailbox } from '../support/mailbox.ts'
import { servicesFound } from '../support/root-hooks.ts'
import {
  prepare,
  useApis,
  useLetters,
  useOtherGrants,
  usePeople,
  useRegistration,
  useRevocations,
  useTheRest,
  useTokens,
} from './flows.ts'
import { bounded, grow, small, tablesOf } from './rows.ts'

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

/** The members of the driver's connection that every statement passes through, also when several are sent together. */
interface Wire {
  parsedStatements: Record<string, string>
  parse(message: { text: string; name?: string }): void
  bind(message: { statement?: string; values?: unknown[] }): void
}

/** Records every statement sent to Postgres from now on, once each, with its last values. */
function record({ core }: TestServer): {
  asked: Map<string, Asked>
  polled: Set<string>
  stop(): void
} {
  const { dataSource } = core.database
  const create = dataSource.createQueryRunner.bind(dataSource)
  const { notifications } = core.storage
  const { query: poll } = notifications
  const asked = new Map<string, Asked>()
  const polled = new Set<string>()
  const watched = new Set<Wire>()
  const note = (text: string, values: unknown[] = []) => {
    if (/^\s*(with|select|insert|update|delete)\b/i.test(text)) asked.set(text, { text, values })
  }
  function watch(wire: Wire): void {
    if (watched.has(wire)) return
    watched.add(wire)
    const { parse, bind } = wire
    const parsed = new Map(Object.entries(wire.parsedStatements))
    wire.parse = (message) => {
      parsed.set(message.name ?? '', message.text)
      parse.call(wire, message)
    }
    wire.bind = (message) => {
      note(parsed.get(message.statement ?? '') ?? '', message.values)
      bind.call(wire, message)
    }
  }
  // Polls use the connection of the listener.
  notifications.query = (text, values) => {
    note(text, values)
    polled.add(text)
    return poll(text, values)
  }
  dataSource.createQueryRunner = () => {
    const runner = create()
    const connect = runner.connect.bind(runner)
    runner.connect = async () => {
      const client = (await connect()) as { connection: Wire }
      watch(client.connection)
      return client
    }
    return runner
  }
  return {
    asked,
    polled,
    stop() {
      dataSource.createQueryRunner = create
      notifications.query = poll
    },
  }
}

const isBounded = (text: string) => Object.keys(bounded).some((start) => text.startsWith(start))

const inside = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(inside)]

const suite = servicesFound() ? describe : describe.skip
suite('the statements sent to Postgres, as it fills (R-19)', () => {
  let server: TestServer
  let mailbox: Mailbox
  let client: pg.Client
  let statements: Asked[]
  let tables: Awaited<ReturnType<typeof tablesOf>>

  before(async () => {
    mailbox = await openMailbox()
    server = await boot('services', {
      LOG_LEVEL: 'silent',
      ALLOW_LOOPBACK_FETCH: 'on',
      SMTP_URL: mailbox.url,
    })
    await prepare(server)
    const recorded = record(server)
    await useTokens(server)
    await useOtherGrants(server)
    await usePeople(server, mailbox)
    await useRegistration(server)
    await useApis(server)
    await useTheRest(server)
    await useLetters(server, mailbox)
    // Comes last: a revocation covers what is issued within the same second.
    await useRevocations(server)
    for (const table of ['denials', 'changes', 'signing_keys']) {
      const isPolled = () => [...recorded.polled].some((text) => text.includes(`from ${table}`))
      await eventually(`${table} is polled`, isPolled)
    }
    const isRecorded = () =>
      [...recorded.asked.keys()].some((text) => /told as \(insert into audit/.test(text))
    await eventually('tokens of machines are recorded in the audit log', isRecorded)
    recorded.stop()
    statements = [...recorded.asked.values()]
    client = new pg.Client({ connectionString: server.env['DATABASE_URL'] })
    await client.connect()
    tables = await tablesOf(client)
    for (const name of Object.keys(small)) {
      expect(tables.delete(name), `there is no table ${name}`).to.equal(true)
    }
  })
  after(async () => {
    // The check for secrets in all stored data would take minutes with these rows.
    await client?.query(`truncate ${[...tables.keys()].join(', ')} cascade`)
    await client?.end()
    await server?.stop()
    await mailbox?.stop()
  })

  /** The estimated cost of each statement, with the tables it touches and those it scans sequentially. */
  async function judged() {
    const found = new Map<string, { cost: number; read: string[]; touched: string[] }>()
    for (const { text, values } of statements) {
      const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
        `explain (format json) ${text}`,
        values,
      )
      const [{ Plan: plan }] = (rows[0] as (typeof rows)[number])['QUERY PLAN']
      const nodes = inside(plan).filter((node) => tables.has(node['Relation Name'] ?? ''))
      const names = (of: Plan[]) => of.map((node) => node['Relation Name'] as string)
      found.set(text, {
        cost: plan['Total Cost'],
        touched: names(nodes),
        read: names(nodes.filter((node) => node['Node Type'] === 'Seq Scan')),
      })
    }
    return found
  }

  it('use indexes, and cost little more with ten times as many rows', async () => {
    await grow(client, tables, 1, 300)
    const few = await judged()
    await grow(client, tables, 301, 3000)
    const many = await judged()
    // Sent ahead of another statement in the same round trip.
    expect([...many.keys()].join('\n')).to.include('insert into account_places')
    const touched = new Set([...many.values()].flatMap((each) => each.touched))
    // A new table must be used by a flow, or be listed in `small` with a reason.
    expect([...tables.keys()].filter((name) => !touched.has(name))).to.deep.equal([])
    const dear = [...many].flatMap(([text, { cost, read }]) => {
      const before = few.get(text)?.cost as number
      // Allows one more index page, and rows of an account that lie further apart.
      const isDear = !isBounded(text) && (read.length > 0 || cost > before * 3 + 20)
      return isDear
        ? [`reads all of [${read.join()}], costs ${before}, then ${cost}:\n${text}`]
        : []
    })
    expect(dear.join('\n\n')).to.equal('')
  })

  it('are not estimated so expensive that Postgres chooses a bad plan or compiles them with JIT', async () => {
    const dear = [...(await judged())].filter(([text, { cost }]) => cost > 5000 && !isBounded(text))
    expect(dear.map(([text, { cost }]) => `costs ${cost}:\n${text}`).join('\n\n')).to.equal('')
  })

  it('cover every growing table, whose foreign keys all have an index', async () => {
    for (const name of tables.keys()) {
      const { rows } = await client.query(`select 1 from ${name} limit 1`)
      expect(rows, name).to.have.length(1)
    }
    // Deleting a row cascades to those that refer to it, which have to be found.
    const { rows } = await client.query(
      `select conrelid::regclass::text || ' ' || conname as name from pg_constraint c
       where contype = 'f' and conrelid::regclass::text = any ($1) and confrelid::regclass::text = any ($1)
         and not exists (select from pg_index i where i.indrelid = c.conrelid
           and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)`,
      [[...tables.keys()]],
    )
    expect(rows).to.deep.equal([])
  })
})
