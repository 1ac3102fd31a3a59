import { DomainError } from '../errors.ts'

/** Runs `work` when a place is free. */
export type HashQueue = <T>(work: () => Promise<T>) => Promise<T>

/**
 * A semaphore with a bounded queue. Password hashing shares the thread pool with signing: without it, 32 hashes at
 * once make a signature take a third of a second (security-bar M3).
 * @param concurrency how many hashes run at once
 * @param length how many may wait; one more is refused with DomainError `hash_queue_full`
 */
export function createHashQueue({
  concurrency,
  length,
}: {
  concurrency: number
  length: number
}): HashQueue {
  let running = 0
  const waiting: Array<() => void> = []

  return async (work) => {
    if (running >= concurrency) {
      if (waiting.length >= length) throw new DomainError('hash_queue_full')
      await new Promise<void>((resolve) => waiting.push(resolve))
    } else {
      running++
    }
    try {
      return await work()
    } finally {
      // The place passes to the next in line without becoming free in between.
      const next = waiting.shift()
      if (next) next()
      else running--
    }
  }
}
