import { readdirSync, readFileSync } from 'node:fs'

/** None of a process that has ended meanwhile. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1')
        .split(' ')
        .filter(Boolean)
        .map(Number),
    )
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

/** A process and all that it has started (proc(5): task/…/children). */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap((child) => processTree(child))]
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

/** The same of a process and all that it has started; one that ends meanwhile is counted with whoever started it. */
export function processorTimeOfTree(pid: number): number {
  return processTree(pid).reduce((sum, each) => {
    try {
      return sum + processorTime(each)
    } catch (error) {
      if (each === pid || !isGone(error)) throw error
      return sum
    }
  }, 0)
}

/** Between the look at the list of processes and that at one of them it has ended. */
const isGone = (error: unknown) =>
  ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')
