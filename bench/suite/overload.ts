import type { Load } from '../load/load.ts'
import { percentile } from '../load/percentile.ts'
import type { Outcome } from '../load/plan.ts'
import type { Server } from '../servers/server.ts'
import { cases } from './cases.ts'
import { outlineOf, supplyFor } from './supply.ts'

export interface Overload {
  /** Right answers per second, in a closed loop that keeps the server busy. */
  peak: number
  /** Requests per second that came, whatever became of them. */
  offered: number
  /** Right answers per second among them, within the clients' patience. */
  goodput: number
  /** The goodput as a part of the peak. */
  part: number
  /** Milliseconds of the right answers, since they were due. */
  p50: number
  p99: number
  /** What else came. */
  faults: Record<string, number>
  /** The peak right afterwards. */
  recovered: number
  /** The part of one core that the load took. */
  load: number
  /** What it had of connections at once, and requests that found no more of them. */
  connections: NonNullable<Outcome['connections']>
}

/** Families, each used by one request at a time: more than a server takes at once (`MAX_REQUESTS`). */
const families = 500
const connections = 10_000

/**
 * Requests that arrive at several times the rate that a server can do, on as many connections as it takes: nobody waits
 * for anybody else's answer. Whoever has no answer in time has gone, and an answer that comes later is for nobody.
 */
export async function measureOverload(
  load: Load,
  server: Server,
  name: string,
  { times, seconds, patience }: { times: number; seconds: number; patience: number },
): Promise<Overload> {
  const task = cases.find((each) => each.name === name)?.task
  const outline = task && outlineOf(server, task)
  if (!task || !outline) throw new Error(`no case ${name}`)
  let stock = await supplyFor(load, server, task, () => families)
  const peakOf = async () => {
    const loop = { kind: 'closed', connections: 32, milliseconds: 2000 } as const
    const outcome = await load.run({ ...outline, stock: stock ?? [], loop })
    stock = outcome.stock
    return outcome.answered / outcome.seconds
  }
  await peakOf()
  const peak = Math.max(await peakOf(), await peakOf())
  const offered = peak * times
  const over = await load.run({
    ...{ ...outline, stock: stock ?? [] },
    loop: {
      ...{ kind: 'open', rate: offered, milliseconds: seconds * 1000, connections },
      ...{ lead: 1000, patience: patience * 1000 },
    },
  })
  stock = over.stock
  const goodput = over.latencies.filter((took) => took <= patience * 1000).length / seconds
  return {
    ...{ peak, offered, goodput, part: goodput / peak, faults: over.faults },
    p50: percentile(over.latencies, 0.5),
    p99: percentile(over.latencies, 0.99),
    recovered: await peakOf(),
    load: over.processor / 1e6 / over.seconds,
    connections: over.connections ?? { opened: 0, missed: 0 },
  }
}
