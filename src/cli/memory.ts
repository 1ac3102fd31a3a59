import { setFlagsFromString } from 'node:v8'

/**
 * Megabytes of each semi-space of the young generation. By default each may grow to 64 on a large machine and is not
 * given back; its benefit to requests is not measurable.
 */
const semiSpace = '--max-semi-space-size=8'

/**
 * Restarts this process in place, once, with a bounded young generation: V8 reads its size only at start, and this
 * works however it was started. Workers inherit it. An explicitly configured size takes precedence.
 * @param compiled folder of the compile cache, so that this file is not compiled twice
 */
export function boundMemory(env: NodeJS.ProcessEnv, compiled: string): void {
  const said = [...process.execArgv, env['NODE_OPTIONS'] ?? ''].join(' ')
  // A process with an IPC channel would lose it.
  if (said.includes('semi-space-size') || process.channel || !process.execve) return
  if (process.platform === 'win32') return
  const { argv, execArgv, execPath } = process
  process.execve(execPath, [execPath, ...execArgv, semiSpace, ...argv.slice(1)], {
    NODE_COMPILE_CACHE: compiled,
    ...env,
  })
}

/**
 * Makes V8 collect the old generation whenever it has grown by half, instead of fourfold. V8 keeps its peak memory: a
 * server stayed at 300 MB after a minute of work, twice what it needs. Not during start, where it would cost one more
 * collection.
 * @returns undoes it; the compile cache, written at the end of the process, is valid only for processes with the same
 *   flags
 */
export function boundGrowth(): () => void {
  setFlagsFromString('--heap-growing-percent=50')
  return () => setFlagsFromString('--heap-growing-percent=0')
}
