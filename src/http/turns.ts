/** Work that came in, done in the order in which it came. */
export interface Turns {
  add(job: () => void): void
}

/**
 * Milliseconds of work between two looks at the sockets. Whoever is to be refused must not wait in one that nobody reads,
 * where no bound counts them, until they have gone; and the runtime takes one new connection in each turn.
 */
const slice = 3

/** @param afterReading calls when all that can be read in this turn of the event loop was read */
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
