import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Load } from '../load/load.ts'
import { processorTimeOfTree, processTree } from '../processor.ts'
import type { Server } from '../servers/server.ts'
import { cases } from './cases.ts'
import { contend } from './contender.ts'
import type { Options } from './options.ts'

/** What a server takes that nobody asks anything. */
export interface Idle {
  when: string
  /** How long it was watched. */
  seconds: number
  processes: number
  /** Resident memory of the process that has most (proc(5): VmRSS). */
  megabytes: number
  /** Of all its processes, as a part of one core. */
  processor: number
}

/** Milliseconds until what was started late is over, and of what is measured, for each block that is wanted. */
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

/** A server that has just been started, and the same after it has worked. */
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
