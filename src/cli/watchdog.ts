import type { Worker } from 'node:cluster'
import type { Log } from '../log.ts'

type Note = { watch?: 'asked' | 'answered' }

/** Milliseconds between two pings. */
const usualPace = 5000
/** Most unanswered pings: a worker silent for more than half a minute hangs. */
const mostOpen = 6
/** The same before it listens: two minutes, of which it needs seconds. Workers do not migrate. */
const mostBefore = 24

/**
 * Kills a worker that does not start to listen, or no longer answers: it blocks its callers, and is replaced when it
 * has ended. Counts pings, not time: while this process or the machine is suspended, none is sent. Before a worker
 * listens, pings are only counted, not sent.
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
    if (++before >= mostBefore) kill(before, 'worker does not listen and is killed')
  }

  function look(): void {
    if (open < mostOpen) {
      open++
      worker.send({ watch: 'asked' } satisfies Note, () => undefined)
      return
    }
    kill(open, 'worker does not answer and is killed')
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

/** Makes a worker answer pings. */
export function answerWatch(): void {
  process.on('message', ({ watch }: Note) => {
    if (watch === 'asked') process.send?.({ watch: 'answered' } satisfies Note, () => undefined)
  })
}
