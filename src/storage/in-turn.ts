import { DomainError } from '../errors.ts'

/**
 * Runs one piece of work after the other. Transactions that would wait for one lock hold one connection of this process
 * then, and not all that there are.
 * @param most that may wait; any number where it is absent
 * @returns throws DomainError `too_many_requests` for one more, else what the work throws
 */
export function createTurns(most = Infinity): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let taken = 0
  return async (work) => {
    if (taken > most) {
      const expected = `at most ${most} that wait for their turn`
      throw new DomainError('too_many_requests', { retryAfter: 1, detail: { expected } })
    }
    taken++
    const own = last.then(work).finally(() => taken--)
    last = own.catch(() => undefined)
    return own
  }
}
