import type { Worker } from 'node:cluster'
import type { Log } from '../log.ts'

type Note = { watch?: 'asked' | 'answered' }

/** Milliseconds between two questions. */
const usualPace = 5000
/** Questions that may be open: beyond half a minute a worker is not busy, it hangs. */
const mostOpen = 6
/** The same before it listens: two minutes, of which it needs a few seconds. It migrates nothing. */
const mostBefore = 24

/**
 * Ends a worker that does not begin to listen, or listens and does not answer any more: it keeps its callers waiting, and
 * is replaced when it has ended. What counts are questions, not time: while this process or the whole machine stands
 * still, none is asked. Before it listens they are not asked, only counted.
 */
export function watchOver(worker: Worker, log: Log, pace = usualPace): void {
  const { id: of, process } = worker
  let open = 0
  let before = 0

  function kill(unanswered: number, what: string): void {
    clearInterval(timer)
    log.error({ of, pid: process.pid, unanswered }, what)
    process.kill('SIGKILL')
  }

  function lookBefore(): void {
    if (++before >= mostBefore) kill(before, 'worker does not listen: it is killed')
  }

  function look(): void {
    if (open < mostOpen) {
      open++
      worker.send({ watch: 'asked' } satisfies Note, () => undefined)
      return
    }
    kill(open, 'worker does not answer: it is killed')
  }

  let timer = setInterval(lookBefore, pace).unref()
  worker.once('listening', () => {
    clearInterval(timer)
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
