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

/** The id of this worker; undefined in a single process. */
export const workerId: number | undefined = cluster.worker?.id

/** Passes its place to a worker; a replacement gets the same. */
const placeVariable = 'KEYTURN_WORKER_PLACE'

/** Whether this process runs the tasks that run once per installation: the worker in the first place does. */
export function schedulesIn(env: NodeJS.ProcessEnv): boolean {
  return workerId === undefined || env[placeVariable] === '1'
}

/** Number of processes that answer requests; `auto` is one with embedded storage, which allows no more. */
export function workersOf({ workers, databaseUrl }: Config): number {
  if (workers !== 'auto') return workers
  return databaseUrl === undefined ? 1 : availableParallelism()
}

/** A worker that lived this long was healthy: its replacement starts at once. Milliseconds, as below. */
const sound = 10_000
const longestPause = 10_000
const shortestPause = 100
/** In addition to the time for open requests: closing the storage. */
const closing = 10_000

/**
 * Runs workers that share the listening socket until told to stop.
 *
 * | event                                   | reaction                                                     |
 * |-----------------------------------------|--------------------------------------------------------------|
 * | start                                   | one worker; the others when it listens, so faults occur once |
 * | the first one ends before it listens    | none: the start has failed                                   |
 * | a worker ends, for any reason           | a new one, after a pause that doubles while they die young   |
 * | no process can be started               | the same, as if it had died at once; the others go on        |
 * | hangs, or does not listen (watchdog.ts) | SIGKILL after half a minute, or two; a new one               |
 * | SIGHUP                                  | forwarded to all: they reload files                          |
 * | stop                                    | SIGTERM to all; SIGKILL to those that take too long          |
 *
 * The worker in the first place, or its replacement, runs the tasks that run once: sweeping, sealing, rotation. Between
 * nodes the database decides which one does. This process keeps the others alive and serves the metrics of all.
 * @param stop resolves when it is time
 * @param onHangUp registers a listener for SIGHUP
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

  /** Replaces an ended worker, unless this process ends too, or has never had a running one. */
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

  /**
   * Starts a worker.
   * @param place from 1 on
   * @param young how many before it in a row died young
   * @param refused called when no process can be started
   */
  function start(
    place: number,
    young: number,
    refused = (err: Error) =>
      startAgain(place, young + 1, { err, place }, 'could not start a process for a worker'),
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
    const why =
      signal === 'ended' ? 'the log lines above have the reason of the first' : signal.message
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

/** Connections closed by serveUntaken(): no worker had them, so none reports them. */
const tallyOf = (closed: { closed: number }): Tally => ({
  level: 'warn',
  message: 'connections were closed immediately: MAX_CONNECTIONS are open in each worker',
  read: () => ({ ...closed }),
})

function listensOrEnds(worker: Worker): Promise<'listening' | 'ended'> {
  return new Promise((resolve) => {
    worker.once('listening', () => resolve('listening'))
    worker.once('exit', () => resolve('ended'))
  })
}
