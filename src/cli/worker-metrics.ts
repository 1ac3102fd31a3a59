import type { Worker } from 'node:cluster'
import type { Config } from '../../config/config.ts'
import { createCounters } from '../counters.ts'
import type { Log } from '../log.ts'
import { openMetrics } from '../metrics/open.ts'
import type { Figures } from '../metrics/registry.ts'
import { version } from '../version.ts'

/** Messages between supervisor and worker; a worker that ends sends its figures unasked. */
type Asked = { metrics: 'read'; question: number; shared: boolean }
type Told = { metrics: 'figures'; question?: number; figures: Figures }

/** Milliseconds to wait for a worker; after that its last figures are used. */
const usualPatience = 3000

/** The combined metrics of all workers. */
export interface WorkerMetrics {
  /** @param listening returns how many workers listen now */
  serve(listening: () => number): Promise<{ stop(): Promise<void> }>
  /** Follows a new worker. */
  follow(worker: Worker): void
  /** Counts a connection that was closed because no worker had room. */
  countClosed(): void
}

/** For the supervisor; undefined where metrics are off. */
export async function createWorkerMetrics(
  config: Config,
  log: Log,
  patience = usualPatience,
): Promise<WorkerMetrics | undefined> {
  const own = await openMetrics(config, createCounters(), log, version)
  const { metricsPort: port, metricsHost: host } = config
  if (port === undefined || !own.read) return undefined
  const readOwn = own.read
  const { serveMetrics } = await import('../metrics/endpoint.ts')
  const { textOf, whatLasts } = await import('../metrics/text.ts')
  const workers = new Map<number, { worker: Worker; last: Figures }>()
  const waiting = new Map<string, (figures: Figures) => void>()
  /** Workers that did not answer in time when last asked. */
  const silent = new Set<number>()
  /** Counters of ended workers. */
  let left: Promise<Figures> = Promise.resolve([])
  let questions = 0

  function heard(id: number, { question, figures }: Told): void {
    const known = workers.get(id)
    if (known) known.last = figures
    waiting.get(`${id} ${question}`)?.(figures)
  }

  async function ask(id: number, shared: boolean): Promise<Figures> {
    const { worker, last = [] } = workers.get(id) ?? {}
    if (!worker?.isConnected()) return whatLasts([last])
    const question = ++questions
    const key = `${id} ${question}`
    const { promise, resolve } = Promise.withResolvers<Figures | undefined>()
    waiting.set(key, resolve)
    const timer = setTimeout(resolve, patience, undefined)
    worker.send({ metrics: 'read', question, shared } satisfies Asked, () => undefined)
    const figures = await promise
    clearTimeout(timer)
    waiting.delete(key)
    if (figures) silent.delete(id)
    else silent.add(id)
    // A worker that ended meanwhile is included in `left`.
    return figures ?? (workers.has(id) ? whatLasts([last]) : [])
  }

  async function read(): Promise<string> {
    const asked = [...workers.keys()]
    // Metrics of the installation are read once, from a worker that is likely to answer.
    const speaker = asked.find((id) => !silent.has(id)) ?? asked[0]
    const answers = await Promise.all(asked.map((id) => ask(id, id === speaker)))
    // A worker that answered and ended meanwhile is included in `left`.
    const ofLiving = answers.filter((_, i) => workers.has(asked[i] as number))
    return textOf([...ofLiving, await left, await readOwn(false)])
  }

  return {
    async serve(listening) {
      own.metrics.gauge('keyturn_workers', () => [[{}, listening()]])
      return serveMetrics({ port, host, log }, read)
    },
    follow(worker) {
      workers.set(worker.id, { worker, last: [] })
      worker.on('message', (message: Partial<Told>) => {
        if (message.metrics === 'figures') heard(worker.id, message as Told)
      })
      worker.once('exit', () => own.metrics.count('keyturn_worker_ends_total', {}))
      // By then all its messages have been received.
      worker.once('disconnect', () => {
        const { last = [] } = workers.get(worker.id) ?? {}
        workers.delete(worker.id)
        silent.delete(worker.id)
        left = left.then((before) => whatLasts([before, last]))
      })
    },
    countClosed: () => own.metrics.count('keyturn_connections_refused_total', {}),
  }
}

/**
 * Makes a worker answer its supervisor.
 * @returns sends the figures a last time
 */
export function tellSupervisor(read: (shared: boolean) => Promise<Figures>): () => Promise<void> {
  const tell = (told: Told) =>
    new Promise<void>((resolve) => {
      if (process.send && process.connected) process.send(told, undefined, {}, () => resolve())
      else resolve()
    })
  process.on('message', ({ metrics, question, shared }: Asked) => {
    if (metrics !== 'read') return
    // Without an answer the supervisor uses the last figures.
    read(shared).then(
      (figures) => tell({ metrics: 'figures', question, figures }),
      () => undefined,
    )
  })
  return async () => tell({ metrics: 'figures', figures: await read(false) })
}
