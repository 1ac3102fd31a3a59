import { startForked } from '../forked.ts'
import type { Outcome, Plan } from './plan.ts'

/** The load generator, in its own process. */
export interface Load {
  pid: number
  run(plan: Plan): Promise<Outcome>
  stop(): Promise<void>
}

export function startLoad(): Load {
  const program = startForked(new URL('program.ts', import.meta.url))
  return {
    pid: program.pid,
    run: async (plan) => (await program.ask<{ outcome: Outcome }>(plan)).outcome,
    stop: program.stop,
  }
}
