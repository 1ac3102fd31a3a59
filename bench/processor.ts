import { readdirSync, readFileSync } from 'node:fs'

/** Empty if the process has ended. */
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

/** A process and all its descendants (proc(5): task/…/children). */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap((child) => processTree(child))]
}

/**
 * Seconds of processor time that a process has used, including its children that have ended, such as Postgres
 * connections (proc(5): fields 14 to 17 of stat, in ticks of 10 ms).
 */
export function processorTime(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100
}

/** The same for a process and all its descendants; one that ends meanwhile is counted with its parent. */
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

/** The process ended between listing it and reading its files. */
const isGone = (error: unknown) =>
  ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')
