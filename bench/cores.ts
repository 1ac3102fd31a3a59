import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/**
 * Keeps the load generator off the cores of the measured server (`taskset` of util-linux). Otherwise a load of several
 * times the peak would take processor time from the server, and the result would not be comparable with the peak, which
 * takes less load. Child processes inherit the assignment.
 */
export interface Cores {
  /** Of the server and its stores; empty if there is only one core, or all processes share all cores. */
  server: string
  load: string
}

/** @param apart whether the load generator gets its own core */
export function coresOf(apart: boolean): Cores {
  const all = availableParallelism()
  if (!apart || all < 2) return { server: '', load: '' }
  return { server: `0-${all - 2}`, load: String(all - 1) }
}

/** @param cores in the syntax of `taskset`; does nothing if empty */
export function keepOn(pid: number, cores: string): void {
  if (cores !== '') execFileSync('taskset', ['-acp', cores, String(pid)], { stdio: 'ignore' })
}
