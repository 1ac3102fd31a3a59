import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { startLoad } from './load/load.ts'
import { furnishedStorage, startProduct } from './servers/product.ts'
import type { Server } from './servers/server.ts'
import { type Block, medianOf } from './suite/block.ts'
import { cases } from './suite/cases.ts'
import { type Contender, contend } from './suite/contender.ts'
import { analyze, fill } from './suite/fill.ts'
import { measureOnce } from './suite/once.ts'

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

/** Resident memory in MB (proc(5): VmRSS). */
function megabytesOf({ pid }: Server): string {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return (Number(kilobytes) / 1024).toFixed(0)
}

await mochaGlobalSetup()
const kind = servicesFound() ? 'services' : 'embedded'
const load = startLoad()
const servers: (Server & { env: Record<string, string> })[] = []
for (const count of counts) {
  // As it is from the start: how many devices somebody has is no matter of growth.
  const storage = await furnishedStorage(kind, { MAX_FAMILIES: '100' })
  const seconds = (since: number) => ((performance.now() - since) / 1000).toFixed(1)
  const began = performance.now()
  await fill(storage.env, count)
  const filled = seconds(began)
  const starts = performance.now()
  const server = { ...(await startProduct(storage)), name: String(count), env: storage.env }
  console.log(
    `  ${count} rows of each in ${filled} s; the server started in ${seconds(starts)} s, ${megabytesOf(server)} MB`,
  )
  servers.push(server)
}

console.log(
  `\ngrowth, ${kind}: CPU µs of the server, of Postgres and Redis, of Postgres alone, and p50 in ms; ` +
    `${blocks} blocks of ${loop.milliseconds} ms, interleaved; medians`,
)
for (const { row, name, task } of cases) {
  if (['jwks', 'discovery', 'password-login'].includes(name)) continue
  const all: { contender: Contender; found: Block[] }[] = []
  for (const server of servers) {
    const contender = await contend(load, server, task)
    if (contender) all.push({ contender, found: [] })
  }
  for (const { contender } of all) for (let i = 0; i < warmUps; i++) await contender.block(loop)
  for (const { env } of servers) await analyze(env)
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
        `${median.postgres.toFixed(0).padStart(6)} ${median.p50.toFixed(1).padStart(7)}   ` +
        `${ratio.toFixed(2)} of the first`,
    )
    if (faults.length > 0) console.log(`  WRONG ANSWERS: ${JSON.stringify(faults)}`)
  }
}

console.log('\n  what is asked now and then, in ms')
for (const server of servers) {
  const memory = megabytesOf(server)
  const found = [...(await measureOnce(server, server.env))]
  const texts = found.map(([name, milliseconds]) => `${name} ${milliseconds.toFixed(1)}`)
  console.log(`  ${server.name.padStart(8)} rows, ${memory} MB by now: ${texts.join(', ')}`)
}
await Promise.all([...servers.map((server) => server.stop()), load.stop()])
await mochaGlobalTeardown()
