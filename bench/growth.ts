import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { filledStorages, keptCluster } from './growth/filled.ts'
import { startLoad } from './load/load.ts'
import { type Storage, startProduct } from './servers/product.ts'
import type { Server } from './servers/server.ts'
import { type Block, medianOf } from './suite/block.ts'
import { cases } from './suite/cases.ts'
import { type Contender, contend } from './suite/contender.ts'
import { countRoundTrips } from './suite/count.ts'
import { analyze } from './suite/fill.ts'
import { measureOnce } from './suite/once.ts'
import { caseNames } from './suite/options.ts'
import { startCounter } from './suite/round-trips.ts'
import { namesIn, numberIn } from './suite/usage.ts'

/**
 * `npm run bench -- growth`: whether a request costs more with more clients, accounts, grants, families and sessions:
 * `--rows 10 --rows 10000 --rows 1000000` of each, in separate databases whose servers take turns. `--case <name>`
 * measures only those cases, without the occasional requests; `--keep <folder>` keeps the filled cluster for later
 * runs, and `--blocks 0` only fills it.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    rows: { type: 'string', multiple: true, default: ['10', '10000', '1000000'] },
    blocks: { type: 'string', default: '4' },
    length: { type: 'string', default: '800' },
    case: { type: 'string', multiple: true },
    keep: { type: 'string' },
  },
})
const warmUps = 2
const blocks = numberIn('--blocks', values.blocks, 0)
const counts = values.rows.map((each) => numberIn('--rows', each))
const length = numberIn('--length', values.length)
const loop = { kind: 'closed', connections: 8, milliseconds: length } as const
namesIn('a --case', values.case ?? [], caseNames)
const isCheap = ['jwks', 'discovery', 'password-login']
const wanted = cases.filter(({ name }) => values.case?.includes(name) ?? !isCheap.includes(name))

/** Resident memory in MB (proc(5): VmRSS). */
function megabytesOf({ pid }: Server): string {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return (Number(kilobytes) / 1024).toFixed(0)
}

type Growing = Server & { storage: Storage }

async function startAll(storages: ReadonlyMap<number, Storage>): Promise<Growing[]> {
  const servers: Growing[] = []
  for (const [count, storage] of storages) {
    const starts = performance.now()
    const server = { ...(await startProduct(storage)), name: String(count), storage }
    const seconds = ((performance.now() - starts) / 1000).toFixed(1)
    console.log(`  ${count} of each: started in ${seconds} s, ${megabytesOf(server)} MB`)
    servers.push(server)
  }
  return servers
}

/** Round trips to Postgres and Redis of each case, on a separate server with the same address as the later one. */
async function countAll(storage: Storage): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  const counter = await startCounter(storage.env)
  const server = await startProduct({ ...storage, env: counter.env })
  for (const { row, task } of wanted) {
    const { sql, redis } = await countRoundTrips(load, server, counter, task, 9)
    found.set(row, `${sql} + ${redis}`)
  }
  await server.stop()
  await counter.stop()
  return found
}

async function measureCases(servers: Growing[], trips: Map<string, string>[]): Promise<void> {
  console.log(
    `\ngrowth, ${kind}: CPU µs of the server, of Postgres and Redis, of Postgres alone, p50 in ms, round trips ` +
      `(SQL + Redis); ${blocks} blocks of ${loop.milliseconds} ms, alternating; medians`,
  )
  for (const { row, task } of wanted) {
    const all: { contender: Contender; found: Block[] }[] = []
    for (const server of servers) {
      const contender = await contend(load, server, task)
      if (contender) all.push({ contender, found: [] })
    }
    for (const { contender } of all) for (let i = 0; i < warmUps; i++) await contender.block(loop)
    for (const { storage } of servers) await analyze(storage.env)
    for (let i = 0; i < blocks; i++) {
      for (const { contender, found } of i % 2 ? all.toReversed() : all) {
        found.push(await contender.block(loop))
      }
    }
    const medians = all.map(({ contender, found }) => ({
      rows: contender.name,
      ...medianOf(found),
    }))
    const costOf = ({ processor = 0, stores }: Block) => processor + stores
    for (const [i, median] of medians.entries()) {
      const faults = Object.entries(median.faults)
      const ratio = costOf(median) / costOf(medians[0] ?? median)
      console.log(
        `  ${(i === 0 ? row : '').padEnd(30)} ${median.rows.padStart(8)} rows  ` +
          `${(median.processor ?? 0).toFixed(0).padStart(6)} ${median.stores.toFixed(0).padStart(6)} ` +
          `${median.postgres.toFixed(0).padStart(6)} ${median.p50.toFixed(1).padStart(7)} ` +
          `${(trips[i]?.get(row) ?? '').padStart(8)}   ${ratio.toFixed(2)} of the first`,
      )
      if (faults.length > 0) console.log(`  WRONG RESPONSES: ${JSON.stringify(faults)}`)
    }
  }
}

async function measureRest(servers: Growing[]): Promise<void> {
  console.log('\n  occasional requests, in ms')
  for (const server of servers) {
    const memory = megabytesOf(server)
    const found = [...(await measureOnce(server, server.storage.env))]
    const texts = found.map(([name, milliseconds]) => `${name} ${milliseconds.toFixed(1)}`)
    console.log(`  ${server.name.padStart(8)} rows, ${memory} MB now: ${texts.join(', ')}`)
  }
}

const keep = values.keep && resolve(values.keep)
await mochaGlobalSetup(keptCluster(keep))
const kind = servicesFound() ? 'services' : 'embedded'
const load = startLoad()
const storages = await filledStorages(kind, counts, keep)
if (blocks > 0) {
  const trips: Map<string, string>[] = []
  for (const storage of kind === 'services' ? storages.values() : []) {
    trips.push(await countAll(storage))
  }
  const servers = await startAll(storages)
  await measureCases(servers, trips)
  if (!values.case) await measureRest(servers)
  await Promise.all(servers.map((server) => server.stop()))
}
await load.stop()
await mochaGlobalTeardown()
