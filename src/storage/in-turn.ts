import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'

/**
 * Milliseconds: work whose turn comes later is refused. When Postgres hangs, waiters must not wait for all those ahead
 * to time out one by one.
 */
const longestWait = 5000

/**
 * Runs pieces of work one after the other. Transactions that compete for one lock then hold one connection of this
 * process, not all of them.
 * @param bound how many may wait, and for how long; without it there is no limit
 * @returns a function that runs work in its turn; it throws DomainError `too_many_requests` when too many wait or the
 *   turn comes too late, else what the work throws
 */
export function createTurns(bound?: {
  clock: Clock
  most: number
}): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let taken = 0
  const refusal = () => {
    const expected = `at most ${bound?.most} waiting, ${longestWait / 1000} seconds each`
    return new DomainError('too_many_requests', { retryAfter: 1, detail: { expected } })
  }
  return async (work) => {
    if (bound && taken > bound.most) throw refusal()
    taken++
    const until = bound && bound.clock.now() + longestWait
    const own = last
      .then(() => {
        if (bound && until !== undefined && bound.clock.now() > until) throw refusal()
        return work()
      })
      .finally(() => taken--)
    last = own.catch(() => undefined)
    return own
  }
}
