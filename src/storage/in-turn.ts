import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'

/** Milliseconds that one waits for its turn: where Postgres stands still, nobody waits for those ahead to fail one by one. */
const longestWait = 5000

/**
 * Runs transactions that would wait for one lock in turn, so that together they hold one connection of this process and
 * not all that there are.
 * @param most that may wait
 * @returns throws DomainError `too_many_requests` for one more and for one that has waited too long, else what the work
 *   throws
 */
export function createTurns(clock: Clock, most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let taken = 0
  const expected = `at most ${most} that wait for their turn, ${longestWait / 1000} seconds each`
  const refusal = () =>
    new DomainError('too_many_requests', { retryAfter: 1, detail: { expected } })
  return async (work) => {
    if (taken > most) throw refusal()
    taken++
    const until = clock.now() + longestWait
    const own = last
      .then(() => {
        if (clock.now() > until) throw refusal()
        return work()
      })
      .finally(() => taken--)
    last = own.catch(() => undefined)
    return own
  }
}
