import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/**
 * Keeps the load off the cores of what is measured (`taskset` of util-linux): a load of several times the peak would
 * take them, and the peak, which takes less load, would not be the same server's. What a process starts stays with it.
 */
export interface Cores {
  /** Of the server and its stores; empty where there is one core, or all share. */
  server: string
  load: string
}

/** @param apart whether the load has a core for itself */
export function coresOf(apart: boolean): Cores {
  const all = availableParallelism()
  if (!apart || all < 2) return { server: '', load: '' }
  return { server: `0-${all - 2}`, load: String(all - 1) }
}

/** @param cores as `taskset` takes them; nothing is done without */
export function keepOn(pid: number, cores: string): void {
  if (cores !== '') execFileSync('taskset', ['-acp', cores, String(pid)], { stdio: 'ignore' })
}
