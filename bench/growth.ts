import { parseArgs } from 'node:util'
import pg from 'pg'
import { openNode } from '../test/support/cores.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { startLoad } from './load/load.ts'
import { furnishedStorage, startProduct } from './servers/product.ts'
import type { Server } from './servers/server.ts'
import { type Block, medianOf } from './suite/block.ts'
import { cases } from './suite/cases.ts'
import { type Contender, contend } from './suite/contender.ts'
import { fillWithRows } from './suite/rows.ts'

/**
 * `npm run bench -- growth`: whether a request costs more when there are more clients, accounts, grants, families and
 * sessions: `--rows 10 --rows 10000 --rows 1000000` of each, in databases of their own; their servers take turns.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    rows: { type: 'string', multiple: true, default: ['10', '10000', '1000000'] },
    blocks: { type: 'string', default: '5' },
    length: { type: 'string', default: '1000' },
  },
})
const counts = values.rows.map(Number)
const warmUps = 2
const blocks = Number(values.blocks)
const loop = { kind: 'closed', connections: 8, milliseconds: Number(values.length) } as const

/** Rows that fit each other, so that nobody has to look whether they do: that would take most of the time. */
async function fill(env: Record<string, string>, count: number): Promise<void> {
  const { DATABASE_URL } = env
  if (DATABASE_URL === undefined) {
    const { database, close } = await openNode(env)
    await fillWithRows((sql, given) => database.execute(sql, given), count, 5000)
    await close()
    return
  }
  const client = new pg.Client({ connectionString: DATABASE_URL })
  await client.connect()
  await client.query('set session_replication_role = replica')
  await fillWithRows((sql, given) => client.query(sql, given), count, 100_000)
  // As a database is that has been in use for a while.
  await client.query('vacuum (analyze)')
  await client.query('checkpoint')
  await client.end()
}

await mochaGlobalSetup()
const kind = servicesFound() ? 'services' : 'embedded'
const load = startLoad()
const servers: Server[] = []
for (const count of counts) {
  const storage = await furnishedStorage(kind)
  const began = performance.now()
  await fill(storage.env, count)
  console.log(`  ${count} rows of each in ${((performance.now() - began) / 1000).toFixed(0)} s`)
  servers.push({ ...(await startProduct(storage)), name: String(count) })
}

console.log(
  `\ngrowth, ${kind}: CPU µs of the server, of Postgres and Redis, and p50 in ms; ${blocks} blocks of ${loop.milliseconds} ms, interleaved; medians`,
)
for (const { row, name, task } of cases) {
  if (['jwks', 'discovery', 'password-login'].includes(name)) continue
  const all: { contender: Contender; found: Block[] }[] = []
  for (const server of servers) {
    const contender = await contend(load, server, task)
    if (contender) all.push({ contender, found: [] })
  }
  for (const { contender } of all) for (let i = 0; i < warmUps; i++) await contender.block(loop)
  for (let i = 0; i < blocks; i++) {
    for (const { contender, found } of i % 2 ? all.toReversed() : all) {
      found.push(await contender.block(loop))
    }
  }
  const medians = all.map(({ contender, found }) => ({ rows: contender.name, ...medianOf(found) }))
  const costOf = ({ processor = 0, stores }: Block) => processor + stores
  for (const [i, median] of medians.entries()) {
    const faults = Object.entries(median.faults)
    const ratio = costOf(median) / costOf(medians[0] ?? median)
    console.log(
      `  ${(i === 0 ? row : '').padEnd(30)} ${median.rows.padStart(8)} rows  ` +
        `${(median.processor ?? 0).toFixed(0).padStart(6)} ${median.stores.toFixed(0).padStart(6)} ` +
        `${median.p50.toFixed(1).padStart(7)}   ${ratio.toFixed(2)} of the first`,
    )
    if (faults.length > 0) console.log(`  WRONG ANSWERS: ${JSON.stringify(faults)}`)
  }
}
await Promise.all([...servers.map((server) => server.stop()), load.stop()])
await mochaGlobalTeardown()
