import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that it has started (proc(5): task/…/children). */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean),
  )
  return [pid, ...children.flatMap((child) => processTree(Number(child)))]
}

/**
 * Seconds of processor time that a process has used, with its children that have ended, as connections of Postgres do
 * (proc(5): fields 14 to 17 of stat, in ticks of 10 ms).
 */
export function processorTime(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100
}

/** The same of a process and all that it has started. */
export function processorTimeOfTree(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + processorTime(each), 0)
}
