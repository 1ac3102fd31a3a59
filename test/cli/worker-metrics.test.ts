import type { Worker } from 'node:cluster'
import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { createWorkerMetrics } from '../../src/cli/worker-metrics.ts'
import { silentLog } from '../support/cores.ts'
import { freePort } from '../support/free-port.ts'
import { figure, scrape } from '../support/prometheus.ts'

const name = 'keyturn_http_requests_total'

/** A worker as the supervisor sees it, with ten counted requests. */
class Counted extends EventEmitter {
  readonly id: number
  readonly #asked: () => void
  constructor(id: number, asked: () => void = () => undefined) {
    super()
    this.id = id
    this.#asked = asked
  }
  /** The requests it got; whether each included the metrics of the installation. */
  readonly shared: boolean[] = []
  answers = true
  isConnected = () => true
  send({ question, shared }: { question: number; shared: boolean }): void {
    this.shared.push(shared)
    if (this.answers) this.sendMetrics(question)
    this.#asked()
  }
  sendMetrics(question?: number): void {
    const values = [{ labels: { route: '/token' }, value: 10 }]
    const figures = [{ name, help: 'h', type: 'counter', aggregator: 'sum', values }]
    this.emit('message', { metrics: 'figures', question, figures })
  }
}

describe('the metrics of workers', () => {
  it('count a worker once that ends between its response and that of another', async () => {
    const port = await freePort()
    const config = loadConfig({ METRICS_PORT: String(port) })
    const metrics = await createWorkerMetrics(config, silentLog)
    const first = new Counted(1)
    const second = new Counted(2, () => first.emit('disconnect'))
    for (const worker of [first, second]) metrics?.follow(worker as unknown as Worker)
    const served = await metrics?.serve(() => 2)
    try {
      expect(figure(await scrape(String(port)), name, { route: '/token' })).to.equal(20)
      expect(figure(await scrape(String(port)), name, { route: '/token' })).to.equal(20)
    } finally {
      await served?.stop()
    }
  })

  it('take those of the installation from a worker that responds while the first one hangs', async () => {
    const port = await freePort()
    const config = loadConfig({ METRICS_PORT: String(port) })
    const metrics = await createWorkerMetrics(config, silentLog, 50)
    const [first, second] = [new Counted(1), new Counted(2)]
    for (const worker of [first, second]) metrics?.follow(worker as unknown as Worker)
    const served = await metrics?.serve(() => 2)
    try {
      first.answers = false
      await scrape(String(port))
      await scrape(String(port))
      first.answers = true
      await scrape(String(port))
      await scrape(String(port))
      expect(first.shared).to.deep.equal([true, false, false, true])
      expect(second.shared).to.deep.equal([false, true, true, false])
    } finally {
      await served?.stop()
    }
  })
})
