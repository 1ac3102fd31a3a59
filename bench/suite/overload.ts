import type { Load } from '../load/load.ts'
import { percentile } from '../load/percentile.ts'
import type { Outcome } from '../load/plan.ts'
import { processorOf, type Server } from '../servers/server.ts'
import { cases } from './cases.ts'
import { processorOfStores } from './contender.ts'
import { outlineOf, supplyFor } from './supply.ts'

/** A peak and the flood after it. */
export interface Round {
  /** Correct responses per second in a closed loop that keeps the server busy. */
  peak: number
  /** Requests per second that were due. */
  offered: number
  /** Correct responses per second among them that arrive before the clients time out. */
  goodput: number
  /** Goodput ÷ peak. */
  part: number
  /** Milliseconds per correct response, from when the request was due. */
  p50: number
  p99: number
  /** Other responses, in the flood and at the peak. */
  faults: Record<string, number>
  faultsAtPeak: Record<string, number>
  /** Correct responses per second of a closed loop in the second after the flood, and other responses in it. */
  recovered: number
  afterwards: Record<string, number>
  /** Cores used, at the peak and in the flood. */
  atPeak: Account
  inFlood: Account
  /** Concurrent connections of the load, requests without a free one, and the delay of the load generator itself. */
  connections: NonNullable<Outcome['connections']>
  late: NonNullable<Outcome['late']>
}

/** Processor time per second: cores. */
export interface Account {
  server: number
  postgres: number
  redis: number
  load: number
}

export interface OverloadOptions {
  /** How often peak and flood are measured, alternating because the speed of the machine varies. */
  rounds: number
  /** The rate of the flood, as a multiple of the peak. */
  times: number
  seconds: number
  /** Timeout of a client, in seconds. */
  patience: number
  /** Whether each request opens its own connection. */
  fresh: boolean
  /** Runs ANALYZE. */
  settle(): Promise<void>
}

/** Families, each used by one request at a time: more than a server accepts concurrently (`MAX_REQUESTS`). */
const families = 2000
/** Kept connections are those of proxies, all open before the measurement starts. */
const connections = { kept: 1000, fresh: 10_000 }

/**
 * Sends requests at several times the rate that a server can answer, each when it is due, whether or not earlier ones
 * have been answered. A client closes its connection on timeout; later responses do not count.
 */
export async function measureOverload(
  load: Load,
  server: Server,
  name: string,
  { rounds, times, seconds, patience, fresh, settle }: OverloadOptions,
): Promise<Round[]> {
  const task = cases.find((each) => each.name === name)?.task
  const outline = task && outlineOf(server, task)
  if (!task || !outline) throw new Error(`no case ${name}`)
  let stock = (await supplyFor(load, server, task, () => families)) ?? []
  await settle()
  const run = async (loop: Parameters<Load['run']>[0]['loop']) => {
    const [ours, kept] = [processorOf(server) ?? 0, processorOfStores()]
    const outcome = await load.run({ ...outline, stock, loop })
    stock = outcome.stock
    const stores = processorOfStores()
    const postgres = stores.postgres - kept.postgres
    const spent = {
      server: (processorOf(server) ?? 0) - ours,
      postgres,
      redis: stores.stores - kept.stores - postgres,
      load: outcome.processor / 1e6,
    }
    const each = Object.entries(spent).map(([who, time]) => [who, time / outcome.seconds])
    return { outcome, account: Object.fromEntries(each) as Account }
  }
  const closed = async (milliseconds: number) => {
    const { outcome, account } = await run({
      kind: 'closed',
      connections: 32,
      milliseconds,
      fresh,
    })
    return { rate: outcome.answered / outcome.seconds, faults: outcome.faults, account }
  }
  const round = async (): Promise<Round> => {
    const { rate: peak, faults: faultsAtPeak, account: atPeak } = await closed(2000)
    const offered = peak * times
    const { outcome: over, account: inFlood } = await run({
      ...{ kind: 'open', rate: offered, milliseconds: seconds * 1000, fresh },
      connections: fresh ? connections.fresh : connections.kept,
      ready: fresh ? 0 : connections.kept,
      ...{ lead: 1000, patience: patience * 1000 },
    })
    const goodput = over.latencies.filter((took) => took <= patience * 1000).length / seconds
    const after = await closed(1000)
    return {
      ...{ peak, offered, goodput, part: goodput / peak, faults: over.faults, faultsAtPeak },
      p50: percentile(over.latencies, 0.5),
      p99: percentile(over.latencies, 0.99),
      ...{ recovered: after.rate, afterwards: after.faults, atPeak, inFlood },
      connections: over.connections ?? { opened: 0, missed: 0 },
      late: over.late ?? { p50: 0, p99: 0 },
    }
  }
  await closed(2000)
  const all: Round[] = []
  while (all.length < rounds) all.push(await round())
  return all
}
