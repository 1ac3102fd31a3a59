/** A queue of work, done in order of arrival. */
export interface Turns {
  add(job: () => void): void
}

/**
 * Milliseconds of work between two reads of the sockets. A request that will be refused must not wait unread in a
 * socket, where no limit counts it. The runtime also accepts only one new connection per turn.
 */
const slice = 3

/** @param afterReading runs work after all readable sockets of this event-loop turn were read */
export function createTurns(
  now = () => performance.now(),
  afterReading: (work: () => void) => void = setImmediate,
): Turns {
  let jobs: (() => void)[] = []
  let next = 0

  function work(): void {
    const until = now() + slice
    do (jobs[next++] as () => void)()
    while (next < jobs.length && now() < until)
    if (next === jobs.length) {
      jobs = []
      next = 0
    } else {
      if (next > 1000) {
        jobs = jobs.slice(next)
        next = 0
      }
      afterReading(work)
    }
  }

  return {
    add(job) {
      if (jobs.length === 0) afterReading(work)
      jobs.push(job)
    },
  }
}
