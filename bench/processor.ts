import { readdirSync, readFileSync } from 'node:fs'

/** A process and all that it has started (proc(5): task/…/children). */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean),
  )
  return [pid, ...children.flatMap((child) => processTree(Number(child)))]
}

/** Seconds of processor time that a process has used (proc(5): fields 14 and 15 of stat, in ticks of 10 ms). */
export function processorTime(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** The same of a process and all that it has started. */
export function processorTimeOfTree(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + processorTime(each), 0)
}
