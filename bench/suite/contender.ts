import { services } from '../../test/support/root-hooks.ts'
import { startForked } from '../forked.ts'
import type { Load } from '../load/load.ts'
import type { ClosedLoop, OpenLoop, Outcome } from '../load/plan.ts'
import { processorTime, processorTimeOfTree } from '../processor.ts'
import { processorOf, type Server } from '../servers/server.ts'
import { type Block, blockOf } from './block.ts'
import type { Task } from './cases.ts'
import { amountFor, type amounts, outlineOf, supplyFor } from './supply.ts'

/** Seconds that Postgres and Redis have used; 0 with embedded storage, which is in the server's process. */
export function processorOfStores(): { stores: number; postgres: number } {
  const running = services()
  if (!running) return { stores: 0, postgres: 0 }
  const postgres = processorTimeOfTree(running.postgres.pid)
  return { stores: postgres + processorTimeOfTree(running.redis.pid), postgres }
}

/** A participant of a case. */
export interface Contender {
  name: string
  block(loop: ClosedLoop | OpenLoop): Promise<Block>
  /** Whether it supports an open loop. */
  isServer: boolean
}

/** A server with a task; undefined if it lacks what the task needs. */
export async function contend(
  load: Load,
  server: Server,
  task: Task,
): Promise<Contender | undefined> {
  const outline = outlineOf(server, task)
  const { supply } = task
  if (!outline || !(await supplyFor(load, server, task, () => 1))) return undefined
  return {
    name: server.name,
    isServer: true,
    async block(loop) {
      const enough = (what: keyof typeof amounts) => amountFor(what, loop.milliseconds)
      const stock = (await supplyFor(load, server, task, enough)) ?? []
      const [before, stores] = [processorOf(server), processorOfStores()]
      const outcome = await load.run({ ...outline, stock, loop: lasting(loop, task, stock) })
      const [after, kept] = [processorOf(server), processorOfStores()]
      if (supply) server.keep?.(supply, outcome.stock)
      return blockOf(outcome, after === undefined ? undefined : after - (before ?? 0), {
        stores: kept.stores - stores.stores,
        postgres: kept.postgres - stores.postgres,
      })
    },
  }
}

/** Shortens an open loop so that the codes last until its end. */
function lasting(
  loop: ClosedLoop | OpenLoop,
  { supply }: Task,
  stock: string[],
): ClosedLoop | OpenLoop {
  if (loop.kind === 'closed' || supply !== 'codes') return loop
  const lasts = Math.floor((stock.length / loop.rate) * 1000)
  return { ...loop, milliseconds: Math.min(loop.milliseconds, lasts) }
}

/** Password hashes alone, with the server's concurrency: the upper bound for every server with such hashes. */
export function hashAlone(): Contender & { stop(): Promise<void> } {
  const program = startForked(new URL('../servers/hash-program.ts', import.meta.url))
  return {
    name: 'hash alone',
    isServer: false,
    async block({ milliseconds }) {
      const before = processorTime(program.pid)
      const { outcome } = await program.ask<{ outcome: Outcome }>({ milliseconds })
      return blockOf(outcome, processorTime(program.pid) - before)
    },
    stop: program.stop,
  }
}
