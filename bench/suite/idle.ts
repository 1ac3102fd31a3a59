import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Load } from '../load/load.ts'
import { processorTimeOfTree, processTree } from '../processor.ts'
import type { Server } from '../servers/server.ts'
import { cases } from './cases.ts'
import { contend } from './contender.ts'
import type { Options } from './options.ts'

/** Resources of a server that gets no requests. */
export interface Idle {
  when: string
  /** Duration of the measurement. */
  seconds: number
  processes: number
  /** Resident memory of the largest process (proc(5): VmRSS). */
  megabytes: number
  /** Processor time of all its processes per second: cores. */
  processor: number
}

/** Milliseconds until late start-up work is over, and milliseconds measured per block. */
const settling = 10_000
const watched = 2000

function residentOf(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
  return Number(kilobytes) / 1024
}

async function watch(when: string, pid: number, milliseconds: number): Promise<Idle> {
  await pause(Math.min(settling, milliseconds))
  const before = processorTimeOfTree(pid)
  await pause(milliseconds)
  const spent = processorTimeOfTree(pid) - before
  const tree = processTree(pid)
  return {
    when,
    seconds: milliseconds / 1000,
    processes: tree.length,
    megabytes: Math.max(...tree.map(residentOf)),
    processor: spent / (milliseconds / 1000),
  }
}

/** Measures a server that has just been started, and again after it has worked. */
export async function measureIdle(
  load: Load,
  server: Server,
  { blocks, length, connections }: Options,
): Promise<Idle[]> {
  const milliseconds = blocks * Math.min(watched, 2 * length)
  const pid = server.pid ?? 0
  const found = [await watch('after its start', pid, milliseconds)]
  for (const name of ['client-credentials', 'refresh']) {
    const task = cases.find((each) => each.name === name)?.task
    const contender = task && (await contend(load, server, task))
    await contender?.block({ kind: 'closed', connections, milliseconds: 10 * length })
  }
  found.push(await watch('after work', pid, milliseconds))
  return found
}
