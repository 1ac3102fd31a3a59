import cluster, { type Worker } from 'node:cluster'
import { availableParallelism } from 'node:os'
import type { Config } from '../../config/config.ts'
import { DomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import { type Tally, tellTallies } from '../tallies.ts'
import { forkWorker } from './fork-worker.ts'
import { serveUntaken } from './untaken.ts'
import { watchOver } from './watchdog.ts'
import { createWorkerMetrics } from './worker-metrics.ts'

/** Which worker this process is; nothing in a process of its own. */
export const workerId: number | undefined = cluster.worker?.id

/** Says to a worker which place it has; its replacement has the same. */
const placeVariable = 'KEYTURN_WORKER_PLACE'

/** Whether this process does what is done once for the installation: of the workers the one in the first place. */
export function schedulesIn(env: NodeJS.ProcessEnv): boolean {
  return workerId === undefined || env[placeVariable] === '1'
}

/** How many processes answer requests. Embedded storage belongs to one; `auto` knows that. */
export function workersOf({ workers, databaseUrl }: Config): number {
  if (workers !== 'auto') return workers
  return databaseUrl === undefined ? 1 : availableParallelism()
}

/** A worker that lived so long was sound: the next one starts at once. Milliseconds, as below. */
const sound = 10_000
const longestPause = 10_000
const shortestPause = 100
/** Beyond the time for open requests: what closing storage may take. */
const closing = 10_000

/**
 * Runs workers that share the listening socket until told to stop.
 *
 * | event                              | what follows                                                     |
 * |------------------------------------|------------------------------------------------------------------|
 * | start                              | one worker; the others when it listens, so that faults come once |
 * | the first one ends before it listens | nothing more: the start has failed                             |
 * | a worker ends, whatever its reason | another, after a pause that doubles while they die young         |
 * | there is no process for one        | the same, as if it had died at once; the others go on            |
 * | one does not answer for half a minute, or listen within two | SIGKILL, and so another (watchdog.ts)   |
 * | SIGHUP                             | the same to all: they look at their files                        |
 * | stop                               | SIGTERM to all; SIGKILL to those that overstay                   |
 *
 * The worker in the first place, or whoever replaces it there, does what is done once: it sweeps, seals, rotates. Between
 * nodes the database decides who does. This process keeps the others alive and answers for the metrics of all.
 * @param stop resolves when it is time
 * @param onHangUp has SIGHUP heard
 * @throws DomainError when the first worker did not start
 */
export async function superviseWorkers(
  { config, log }: { config: Config; log: Log },
  stop: Promise<NodeJS.Signals>,
  onHangUp: (listener: () => void) => void,
): Promise<void> {
  const alive = new Set<Worker>()
  const listening = new Set<Worker>()
  const pauses = new Set<NodeJS.Timeout>()
  const { promise: allEnded, resolve: lastEnded } = Promise.withResolvers<void>()
  const metrics = await createWorkerMetrics(config, log)
  const closed = { closed: 0 }
  const endTallies = tellTallies([tallyOf(closed)], log)
  let stopping = false

  /** Starts another in the place of one that ended, unless this process ends too or never was sound. */
  function startAgain(place: number, streak: number, why: object, what: string): void {
    if (stopping || !started) return
    const pause = streak < 2 ? 0 : Math.min(shortestPause * 2 ** (streak - 2), longestPause)
    log.warn({ ...why, pause_ms: pause }, what)
    const timer = setTimeout(() => {
      pauses.delete(timer)
      start(place, streak)
    }, pause)
    pauses.add(timer)
  }

  /** @param place from 1 on
   * @param young how many in a row died before they were sound
   * @param refused hears that there is no process for it */
  function start(
    place: number,
    young: number,
    refused = (err: Error) =>
      startAgain(place, young + 1, { err, place }, 'no process for a worker'),
  ): Worker | undefined {
    const worker = forkWorker({ [placeVariable]: String(place) }, refused)
    if (!worker) return undefined
    metrics?.follow(worker)
    serveUntaken(worker, () => {
      closed.closed++
      metrics?.countClosed()
    })
    watchOver(worker, log)
    const began = performance.now()
    alive.add(worker)
    worker.once('listening', () => {
      listening.add(worker)
      log.info({ of: worker.id, pid: worker.process.pid, place }, 'worker listens')
    })
    worker.once('exit', (code, signal) => {
      alive.delete(worker)
      listening.delete(worker)
      if (stopping && alive.size === 0) lastEnded()
      const streak = performance.now() - began < sound ? young + 1 : 0
      const why = { of: worker.id, pid: worker.process.pid, exit_code: code, signal }
      startAgain(place, streak, why, 'worker ended')
    })
    return worker
  }

  const signalAll = (name: NodeJS.Signals) => {
    for (const worker of alive) worker.process.kill(name)
  }
  onHangUp(() => signalAll('SIGHUP'))

  let started = false
  const endpoint = await metrics?.serve(() => listening.size)
  const refusal = Promise.withResolvers<Error>()
  const first = start(1, 0, refusal.resolve)
  const signal = await Promise.race([first ? listensOrEnds(first) : refusal.promise, stop])
  if (signal === 'ended' || signal instanceof Error) {
    await endpoint?.stop()
    const why = signal === 'ended' ? 'the first one says why above' : signal.message
    throw new DomainError('internal', { detail: `no worker could be started; ${why}` })
  }
  started = true
  if (signal === 'listening') {
    for (let place = 2; place <= workersOf(config); place++) start(place, 0)
    log.info({ signal: await stop }, 'stopping')
  }

  stopping = true
  for (const timer of pauses) clearTimeout(timer)
  await endpoint?.stop()
  if (alive.size > 0) {
    signalAll('SIGTERM')
    const force = setTimeout(signalAll, config.shutdownTimeout * 1000 + closing, 'SIGKILL')
    await allEnded
    clearTimeout(force)
  }
  endTallies()
}

/** What serveUntaken() closes: no worker ever had it, to tell of it. */
const tallyOf = (closed: { closed: number }): Tally => ({
  level: 'warn',
  message: 'connections were closed at once: MAX_CONNECTIONS are open in each worker',
  read: () => ({ ...closed }),
})

function listensOrEnds(worker: Worker): Promise<'listening' | 'ended'> {
  return new Promise((resolve) => {
    worker.once('listening', () => resolve('listening'))
    worker.once('exit', () => resolve('ended'))
  })
}
