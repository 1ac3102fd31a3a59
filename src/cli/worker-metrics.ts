import type { Worker } from 'node:cluster'
import type { Config } from '../../config/config.ts'
import { createCounters } from '../counters.ts'
import type { Log } from '../log.ts'
import { openMetrics } from '../metrics/open.ts'
import type { Figures } from '../metrics/registry.ts'
import { version } from '../version.ts'

/** What goes between the supervisor and a worker; a worker that ends sends its figures unasked. */
type Asked = { metrics: 'read'; question: number; shared: boolean }
type Told = { metrics: 'figures'; question?: number; figures: Figures }

/** Milliseconds: a worker that is busy for longer is told of as it was. */
const usualPatience = 3000

/** The metrics of all workers, as those of one process. */
export interface WorkerMetrics {
  /** @param listening how many do now */
  serve(listening: () => number): Promise<{ stop(): Promise<void> }>
  /** Listens to a worker that was just started. */
  follow(worker: Worker): void
  /** Counts a connection that was closed, as none of them had room for it. */
  countClosed(): void
}

/** For the supervisor; nothing where the metrics are off. */
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
  /** Those that did not answer in time when they were asked last. */
  const silent = new Set<number>()
  /** What those counted that are no more. */
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
    // One that ended meanwhile has become part of what is left.
    return figures ?? (workers.has(id) ? whatLasts([last]) : [])
  }

  async function read(): Promise<string> {
    const asked = [...workers.keys()]
    // What describes the installation is asked for once, of one that can be expected to answer.
    const speaker = asked.find((id) => !silent.has(id)) ?? asked[0]
    const answers = await Promise.all(asked.map((id) => ask(id, id === speaker)))
    // One that answered and ended meanwhile has become part of what is left.
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
      // By then everything that it has said was heard.
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
 * Has a worker answer its supervisor.
 * @returns tells it of the figures a last time
 */
export function tellSupervisor(read: (shared: boolean) => Promise<Figures>): () => Promise<void> {
  const tell = (told: Told) =>
    new Promise<void>((resolve) => {
      if (process.send && process.connected) process.send(told, undefined, {}, () => resolve())
      else resolve()
    })
  process.on('message', ({ metrics, question, shared }: Asked) => {
    if (metrics !== 'read') return
    // Without an answer the supervisor tells what it knows.
    read(shared).then(
      (figures) => tell({ metrics: 'figures', question, figures }),
      () => undefined,
    )
  })
  return async () => tell({ metrics: 'figures', figures: await read(false) })
}
