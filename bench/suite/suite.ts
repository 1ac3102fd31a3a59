import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import {
  mochaGlobalSetup,
  mochaGlobalTeardown,
  servicesFound,
} from '../../test/support/root-hooks.ts'
import { type Load, startLoad } from '../load/load.ts'
import { startEngine } from '../servers/engine.ts'
import { furnishedStorage, startProduct } from '../servers/product.ts'
import type { Server } from '../servers/server.ts'
import { type Case, cases } from './cases.ts'
import { countRoundTrips, type RoundTrips } from './count.ts'
import { type Block, measureBlock, medianOf } from './measure.ts'
import { startCounter } from './round-trips.ts'
import { printRows } from './table.ts'

/** What the command line says. */
export interface Options {
  names: string[]
  blocks: number
  /** Milliseconds of one block. */
  length: number
  connections: number
  json?: string
  statements: boolean
}

/** One case, measured. */
export interface Row {
  name: string
  row: string
  ours: Block
  engine?: Block
  /** The load that came at a steady rate, of ours and of the engine's: 60 % of what each did in a closed loop. */
  steady: { rate: number; ours: Block; engine?: Block }
  trips?: RoundTrips
  /** Processor time of the engine for each of ours. */
  ratio?: number
  target?: number
}

export function optionsIn(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      blocks: { type: 'string', default: '5' },
      length: { type: 'string', default: '1000' },
      connections: { type: 'string', default: '8' },
      json: { type: 'string' },
      statements: { type: 'boolean', default: false },
    },
  })
  return {
    names: positionals,
    blocks: Number(values.blocks),
    length: Number(values.length),
    connections: Number(values.connections),
    statements: values.statements,
    ...(values.json === undefined ? {} : { json: values.json }),
  }
}

/** Round trips of each case, on a server of their own, as counting costs. */
async function countAll(load: Load, env: Record<string, string>, wanted: Case[]) {
  const counter = await startCounter(env)
  const server = await startProduct(counter.env)
  const found = new Map<Case, RoundTrips>()
  for (const each of wanted)
    found.set(each, await countRoundTrips(load, server, counter, each.task))
  await server.stop()
  await counter.stop()
  return found
}

async function measure(
  load: Load,
  ours: Server,
  engine: Server,
  { task, engine: other, ...about }: Case,
  { blocks, length, connections }: Options,
): Promise<Row> {
  const loop = { kind: 'closed', connections, milliseconds: length } as const
  const sides = [
    { server: ours, task, blocks: [] as Block[] },
    { server: engine, task: other ?? task, blocks: [] as Block[] },
  ]
  for (const side of sides) await measureBlock(load, side.server, side.task, loop)
  for (let i = 0; i < blocks; i++) {
    for (const side of i % 2 ? sides.toReversed() : sides) {
      side.blocks.push(await measureBlock(load, side.server, side.task, loop))
    }
  }
  const [mine, theirs] = sides.map((side) => medianOf(side.blocks)) as [Block, Block]
  const rate = Math.max(1, Math.round(mine.rate * 0.6))
  const steadyLoop = { kind: 'open', rate, milliseconds: length, connections: 64 } as const
  const steady = await measureBlock(load, ours, task, steadyLoop)
  return {
    ...about,
    ours: mine,
    engine: theirs,
    steady: { rate, ours: steady },
    ...(mine.processor && theirs.processor ? { ratio: theirs.processor / mine.processor } : {}),
  }
}

/** Cases that are measured on a fresh server of ours and on the bare engine, in blocks that take turns. */
export async function runSuite(options: Options): Promise<Row[]> {
  const wanted = cases.filter(
    ({ name }) => options.names.length === 0 || options.names.includes(name),
  )
  await mochaGlobalSetup()
  const kind = servicesFound() ? 'services' : 'embedded'
  const storage =
    kind === 'services'
      ? 'Postgres and Redis'
      : 'embedded storage, as there is no Postgres or Redis'
  console.log(
    `\n${new Date().toISOString().slice(0, 10)}, ${availableParallelism()} cores (${cpus()[0]?.model.trim()}), Node ${process.version}, on ${storage}; ` +
      `${options.connections} connections, ${options.blocks} blocks of ${options.length} ms each, interleaved; medians`,
  )
  const load = startLoad()
  const env = await furnishedStorage(kind)
  const trips =
    kind === 'services' ? await countAll(load, env, wanted) : new Map<Case, RoundTrips>()
  const ours = await startProduct(env)
  const engine = await startEngine()
  const rows: Row[] = []
  for (const each of wanted) {
    const counted = trips.get(each)
    const row = await measure(load, ours, engine, each, options)
    rows.push({ ...row, ...(counted === undefined ? {} : { trips: counted }) })
  }
  await Promise.all([ours.stop(), engine.stop(), load.stop()])
  await mochaGlobalTeardown()
  printRows(rows, options)
  if (options.json !== undefined)
    await writeFile(options.json, `${JSON.stringify(rows, undefined, 2)}\n`)
  return rows
}
