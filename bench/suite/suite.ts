import { writeFile } from 'node:fs/promises'
import { availableParallelism, cpus } from 'node:os'
import { resolve } from 'node:path'
import { servicesFound } from '../../test/support/root-hooks.ts'
import { type Load, startLoad } from '../load/load.ts'
import { startEngine } from '../servers/engine.ts'
import { furnishedStorage, type Storage, startProduct } from '../servers/product.ts'
import type { Server } from '../servers/server.ts'
import { openTarget } from '../servers/target.ts'
import { type Case, cases } from './cases.ts'
import { type Contender, contend, hashAlone } from './contender.ts'
import { countRoundTrips, type RoundTrips } from './count.ts'
import { analyze } from './fill.ts'
import { type Idle, measureIdle } from './idle.ts'
import type { Options } from './options.ts'
import { casesOfOthers, lackOf } from './others.ts'
import { plotOf } from './plot.ts'
import { startCounter } from './round-trips.ts'
import { measureRow, type Row } from './row.ts'
import { type Print, printIdle, printRow, printStatements } from './table.ts'

/** The results of a run, as `--json` writes them. */
export interface Report {
  date: string
  machine: string
  node: string
  /** The storage of our server, if it takes part. */
  storage?: string
  rows: Row[]
  idle?: Idle[]
}

const storages = {
  services: 'Postgres and Redis',
  embedded: 'embedded storage (no Postgres or Redis found)',
}

/** Round trips of each case, on a separate server, because counting has a cost. */
async function countAll(load: Load, storage: Storage, wanted: Case[], requests: number) {
  const counter = await startCounter(storage.env)
  const found = new Map<Case, RoundTrips>()
  try {
    const server = await startProduct({ ...storage, env: counter.env })
    try {
      for (const each of wanted) {
        found.set(each, await countRoundTrips(load, server, counter, each.task, requests))
      }
    } finally {
      await server.stop()
    }
  } finally {
    await counter.stop()
  }
  return found
}

/** The same storage, with an environment in which the server writes a CPU profile. */
function profiled(storage: Storage, { profile }: Options): Storage {
  if (profile === undefined) return storage
  const options = `--cpu-prof --cpu-prof-interval=400 --cpu-prof-dir=${resolve(profile)}`
  return { ...storage, env: { ...storage.env, NODE_OPTIONS: options } }
}

type Taking = Contender & { stop?(): Promise<void> }

/** The participants of a case: ours first, the reference last. */
async function contendersOf(
  load: Load,
  { task, beside }: Case,
  servers: { product: Server | undefined; engine: Server | undefined; targets: Server[] },
): Promise<Taking[]> {
  const { product, engine, targets } = servers
  const other = typeof beside === 'object' ? beside : task
  const all: (Taking | undefined)[] = [product && (await contend(load, product, task))]
  for (const target of targets) all.push(await contend(load, target, task))
  if (beside === 'hash') all.push(hashAlone())
  else if (engine) all.push(await contend(load, engine, other))
  return all.filter((one) => one !== undefined)
}

/**
 * Measures cases on a fresh server of ours and on the bare engine, in alternating blocks.
 * @param print takes the lines of the table
 * @param furnished existing storage for our server, if any
 */
export async function runSuite(
  options: Options,
  print: Print,
  furnished?: Storage,
): Promise<Report> {
  const { names, connections, blocks, length } = options
  const isWanted = (name: string) => names.length === 0 || names.includes(name)
  const targets = await Promise.all(options.targets.map((each) => openTarget(each, options.about)))
  const named = cases.filter(({ name }) => isWanted(name))
  const wanted = options.alone ? casesOfOthers(named, targets) : named
  const kind = servicesFound() ? 'services' : 'embedded'
  const report: Report = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${availableParallelism()} cores (${cpus()[0]?.model.trim()})`,
    node: process.version,
    ...(options.alone ? {} : { storage: storages[kind] }),
    rows: [],
  }
  const on = report.storage === undefined ? '' : `, on ${report.storage}`
  print(
    `\n${report.date}, ${report.machine}, Node ${report.node}${on};\n` +
      `${connections} connections, ${blocks} blocks of ${length} ms each, alternating; medians`,
  )
  const started: { stop(): Promise<unknown> }[] = []
  const stopLater = <T extends { stop(): Promise<unknown> }>(one: T): T => {
    started.push(one)
    return one
  }
  try {
    const load = stopLater(startLoad())
    const storage = options.alone ? undefined : (furnished ?? (await furnishedStorage(kind)))
    const trips =
      storage && kind === 'services'
        ? await countAll(load, storage, wanted, blocks * 3)
        : new Map<Case, RoundTrips>()
    const servers = {
      product: storage ? stopLater(await startProduct(profiled(storage, options))) : undefined,
      engine: storage && wanted.length > 0 ? stopLater(await startEngine()) : undefined,
      targets,
    }
    if (servers.product && isWanted('idle')) {
      report.idle = await measureIdle(load, servers.product, options)
      printIdle(print, report.idle)
    }
    for (const each of wanted) {
      const contenders = await contendersOf(load, each, servers)
      if (!contenders.some(({ isServer }) => isServer)) {
        const lacks = await Promise.all(targets.map((server) => lackOf(server, each.task)))
        print(`  ${each.row}: skipped, because ${lacks.join(', and ')}`)
      } else {
        const row = await measureRow(each, contenders, options, () => analyze(storage?.env ?? {}))
        const counted = trips.get(each)
        const [first] = row.sides
        if (counted && first) first.trips = counted
        report.rows.push(row)
        printRow(print, row, report.rows.length === 1)
      }
      await Promise.all(contenders.map((contender) => contender.stop?.()))
    }
  } finally {
    await Promise.all(started.map((one) => one.stop()))
  }
  if (options.statements) printStatements(print, report.rows)
  const written = `${JSON.stringify(report, undefined, 2)}\n`
  if (options.json !== undefined) await writeFile(options.json, written)
  if (options.plot !== undefined) await writeFile(options.plot, plotOf(report))
  return report
}
