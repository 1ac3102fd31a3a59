import { closedLoop } from '../load/closed-loop.ts'
import { processorTime, type Target } from './targets.ts'

/** Blocks per server and question; all take turns, so that drift of the machine meets each. */
export const blocks = 7
export const block = { connections: 8, milliseconds: 1000 }

export interface Measured {
  document: string
  conditional: boolean
  target: string
  rates: number[]
  perCore: number[]
  latencies: number[]
  statuses: Record<string, number>
}

async function measure(target: Target, path: string, etag: string | undefined, into: Measured) {
  const before = processorTime(target.pid)
  const headers = etag === undefined ? {} : { 'If-None-Match': etag }
  const loop = await closedLoop(new URL(path, target.url), { ...block, headers })
  into.rates.push(loop.rate)
  into.perCore.push(loop.latencies.length / (processorTime(target.pid) - before))
  into.latencies.push(...loop.latencies)
  for (const [status, count] of Object.entries(loop.statuses)) {
    into.statuses[status] = (into.statuses[status] ?? 0) + count
  }
}

/** Each question to each server, plain and conditional. */
export async function throughput(product: Target, engine: Target): Promise<Measured[]> {
  const rows: { row: Measured; run: () => Promise<void> }[] = []
  for (const document of ['/jwks', '/.well-known/openid-configuration']) {
    const etag = (await fetch(product.url + document)).headers.get('etag') ?? ''
    for (const conditional of [false, true]) {
      for (const target of [engine, product]) {
        const row: Measured = {
          ...{ document, conditional, target: target.name },
          ...{ rates: [], perCore: [], latencies: [], statuses: {} },
        }
        const run = () => measure(target, document, conditional ? etag : undefined, row)
        rows.push({ row, run })
      }
    }
  }
  for (const { row, run } of rows) {
    await run()
    Object.assign(row, { rates: [], perCore: [], latencies: [], statuses: {} })
  }
  for (let round = 0; round < blocks; round++) for (const { run } of rows) await run()
  return rows.map(({ row }) => row)
}
