import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { createLog } from '../../src/log.ts'
import { type Metrics, noMetrics } from '../../src/metrics/metrics.ts'
import { withOrigin } from '../../src/origin.ts'
import { startTracing } from '../../src/tracing/open.ts'
import { currentTracer } from '../../src/tracing/trace.ts'
import { startCollector } from '../support/collector.ts'

/** Records counters by name and labels. */
function countingMetrics() {
  const counted: Record<string, number> = {}
  const metrics: Metrics = {
    ...noMetrics,
    count: (name, labels, by = 1) => {
      const key = `${name} ${Object.values(labels).join()}`
      counted[key] = (counted[key] ?? 0) + by
    },
  }
  return { metrics, counted }
}

describe('lost spans', () => {
  it('are counted if the endpoint is not a collector, and logged outside of requests', async () => {
    let said = ''
    const { metrics, counted } = countingMetrics()
    const destination = { write: (line: string) => void (said += line) }
    const other = await startCollector()
    const url = `${other.url.replace('://', '://user:hunter2@')}/elsewhere`
    const config = loadConfig({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url })
    const stop = await startTracing(config, createLog({ level: 'warn', destination }), metrics)
    withOrigin({ requestId: 'of-a-request' }, () => {
      for (let i = 0; i < 3000; i++) currentTracer()?.request(undefined, (span) => span.end())
    })
    await stop()
    await other.stop()
    const lines = said.split('\n').flatMap((line) => (line ? [JSON.parse(line)] : []))
    const lossLines = lines.filter(({ msg }) => msg === 'spans were lost')
    for (const line of lossLines) expect(line).to.include({ endpoint: new URL(url).host })
    // In log lines every ten seconds, however long the test takes.
    const lost = (reason: string) => lossLines.reduce((sum, line) => sum + line[reason], 0)
    for (const reason of ['queue', 'export']) {
      expect(lost(reason)).to.equal(counted[`keyturn_spans_lost_total ${reason}`]).and.be.above(0)
    }
    expect(lost('queue') + lost('export')).to.equal(3000)
    for (const line of lines) expect(line).not.to.have.any.keys('request_id', 'trace_id')
    expect(said).not.to.include('hunter2')
  })

  it('are counted as reported if a collector rejects some (OTLP, Partial Success)', async () => {
    const lines: Record<string, unknown>[] = []
    const write = (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>)
    const log = createLog({ level: 'warn', destination: { write } })
    for (const [rejectedSpans, lost] of [
      ['3', 3],
      ['0', 0],
      ['many', 0],
    ] as const) {
      const { metrics, counted } = countingMetrics()
      const picky = await startCollector({
        partialSuccess: { rejectedSpans, errorMessage: `too old ${'x'.repeat(1000)}` },
      })
      const config = loadConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: picky.url })
      const stop = await startTracing(config, log, metrics)
      for (let i = 0; i < 5; i++) currentTracer()?.request(undefined, (span) => span.end())
      await stop()
      await picky.stop()
      expect(picky.spans()).to.have.length(5)
      expect(counted['keyturn_spans_lost_total export'], rejectedSpans).to.equal(lost)
    }
    expect(lines).to.have.length(1)
    expect(lines[0]).to.include({ msg: 'spans were lost', queue: 0, export: 3 })
    expect(lines[0]?.['collector']).to.match(/^too old x{292}$/)
  })
})
