import { setFlagsFromString } from 'node:v8'

/**
 * Megabytes of each half of the young generation. By itself each may grow to 64 on a large machine, and is not given back
 * after work; what that gains a request is lost in the noise of a measurement.
 */
const semiSpace = '--max-semi-space-size=8'

/**
 * Begins this process anew, in place and once, with a young generation that is bounded: V8 takes its size at the start
 * alone, and this way however it was started. Workers inherit it. Whoever says another size gets that.
 * @param compiled where modules are kept that are compiled, so that this file is not compiled for a second time
 */
export function boundMemory(env: NodeJS.ProcessEnv, compiled: string): void {
  const said = [...process.execArgv, env['NODE_OPTIONS'] ?? ''].join(' ')
  // What another program has begun, and speaks with, could not be spoken with afterwards.
  if (said.includes('semi-space-size') || process.channel || !process.execve) return
  if (process.platform === 'win32') return
  const { argv, execArgv, execPath } = process
  process.execve(execPath, [execPath, ...execArgv, semiSpace, ...argv.slice(1)], {
    NODE_COMPILE_CACHE: compiled,
    ...env,
  })
}

/**
 * Has the old generation be collected whenever it has grown by half, instead of fourfold: V8 keeps the memory that it had at
 * most, and a server that has worked for a minute stayed at 300 MB, twice what it needs. Starting goes without, which would
 * take one more collection.
 * @returns undoes it; compiled modules, which are written at the end of the process, are of use to those alone that have the
 *   same flags when they load them
 */
export function boundGrowth(): () => void {
  setFlagsFromString('--heap-growing-percent=50')
  return () => setFlagsFromString('--heap-growing-percent=0')
}
