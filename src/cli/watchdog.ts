import type { Worker } from 'node:cluster'
import type { Log } from '../log.ts'

type Note = { watch?: 'asked' | 'answered' }

/** Milliseconds between two questions. */
const usualPace = 5000
/** Questions that may be open: beyond half a minute a worker is not busy, it hangs. */
const mostOpen = 6

/**
 * Ends a worker that listens and does not answer any more: it keeps its callers waiting, and is replaced when it has
 * ended. What counts are questions, not time: while this process or the whole machine stands still, none is asked.
 */
export function watchOver(worker: Worker, log: Log, pace = usualPace): void {
  const { id: of, process } = worker
  let open = 0
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    if (open < mostOpen) {
      open++
      worker.send({ watch: 'asked' } satisfies Note, () => undefined)
      return
    }
    clearInterval(timer)
    log.error({ of, pid: process.pid, unanswered: open }, 'worker does not answer: it is killed')
    process.kill('SIGKILL')
  }

  worker.once('listening', () => {
    timer = setInterval(look, pace).unref()
  })
  worker.once('disconnect', () => clearInterval(timer))
  worker.on('message', ({ watch }: Note) => {
    if (watch === 'answered') open = 0
  })
}

/** Has a worker answer who watches over it. */
export function answerWatch(): void {
  process.on('message', ({ watch }: Note) => {
    if (watch === 'asked') process.send?.({ watch: 'answered' } satisfies Note, () => undefined)
  })
}
