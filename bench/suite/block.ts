import { percentile } from '../load/percentile.ts'
import type { Outcome } from '../load/plan.ts'

/** A block of load on one server. */
export interface Block {
  /** Right answers per second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Microseconds of processor time of the server, of all its processes, for each answer. */
  processor?: number
  /** The same of Postgres and Redis, and of Postgres alone. */
  stores: number
  postgres: number
  /** The part of one core that the load itself took. */
  load: number
  faults: Record<string, number>
}

/**
 * @param spent seconds of processor time of the server
 * @param kept the same of its stores: of all, and of Postgres
 */
export function blockOf(
  outcome: Outcome,
  spent: number | undefined,
  { stores, postgres }: { stores: number; postgres: number } = { stores: 0, postgres: 0 },
): Block {
  const { answered, seconds, latencies, faults } = outcome
  return {
    rate: answered / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    ...(spent === undefined ? {} : { processor: (spent * 1e6) / answered }),
    stores: (stores * 1e6) / answered,
    postgres: (postgres * 1e6) / answered,
    load: outcome.processor / 1e6 / seconds,
    faults,
  }
}

/** The medians of blocks; faults are added up. */
export function medianOf(blocks: Block[]): Block {
  const of = (read: (block: Block) => number) => percentile(blocks.map(read), 0.5)
  const faults: Record<string, number> = {}
  for (const block of blocks) {
    for (const [what, times] of Object.entries(block.faults)) {
      faults[what] = (faults[what] ?? 0) + times
    }
  }
  const known = blocks.every(({ processor }) => processor !== undefined)
  return {
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    ...(known ? { processor: of(({ processor }) => processor ?? 0) } : {}),
    stores: of((block) => block.stores),
    postgres: of((block) => block.postgres),
    load: of((block) => block.load),
    faults,
  }
}
