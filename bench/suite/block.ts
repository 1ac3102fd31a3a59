import { percentile } from '../load/percentile.ts'
import type { Outcome } from '../load/plan.ts'

/** A block of load on one server. */
export interface Block {
  /** Correct responses per second. */
  rate: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Microseconds of processor time per response, of all processes of the server. */
  processor?: number
  /** The same for Postgres and Redis together, and for Postgres alone. */
  stores: number
  postgres: number
  /** Cores that the load generator used. */
  load: number
  faults: Record<string, number>
}

/**
 * @param spent seconds of processor time of the server
 * @param kept the same for its stores: all together, and Postgres
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

/** The medians of blocks, with the sum of their faults. */
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
