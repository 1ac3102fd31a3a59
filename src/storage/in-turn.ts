import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'

/**
 * Milliseconds: whose turn comes later than that is refused then. Where Postgres stands still, nobody waits for those
 * ahead to fail one by one.
 */
const longestWait = 5000

/**
 * Runs one piece of work after the other. Transactions that would wait for one lock hold one connection of this process
 * then, and not all that there are.
 * @param bound on how many may wait, and for how long; without one, any number does, for as long as it takes
 * @returns throws DomainError `too_many_requests` for one more, and for one whose turn comes too late, else what the
 *   work throws
 */
export function createTurns(bound?: {
  clock: Clock
  most: number
}): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let taken = 0
  const refusal = () => {
    const expected = `at most ${bound?.most} that wait for their turn, ${longestWait / 1000} seconds each`
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
