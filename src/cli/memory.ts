/**
 * Megabytes of each half of the young generation. By itself each may grow to 64 on a large machine, and is not given back
 * after work; what that gains a request is lost in the noise of a measurement.
 */
const semiSpace = '--max-semi-space-size=8'

/**
 * How glibc keeps memory (mallopt(3)); elsewhere nobody reads it. Threads share one heap: with one each, every thread that
 * has hashed a password once keeps what that took, 19 MB. Up to 32 MB a block comes out of the heap, as zeroed pages of
 * its own would cost a hash half as much again; what is free at its end is given back from 40 MB on, two hashes at once.
 */
const heap = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: String(32 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(40 * 1024 * 1024),
}

/**
 * Begins this process anew, in place and once, with memory that is bounded: V8 and glibc take their settings at the
 * start alone, and this way however it was started. Workers inherit them. Whoever says others gets those.
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
    ...heap,
    ...env,
  })
}
