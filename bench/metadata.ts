import { mochaGlobalSetup, mochaGlobalTeardown } from '../test/support/root-hooks.ts'
import { percentile } from './load/percentile.ts'
import { besideHerd } from './metadata/beside-herd.ts'
import { startEngineAlone, startProduct } from './metadata/targets.ts'
import { block, blocks, throughput } from './metadata/throughput.ts'

await mochaGlobalSetup()
const engine = await startEngineAlone()
const product = await startProduct()
const measured = await throughput(product, engine)
const herd = await besideHerd(product, blocks)
await Promise.all([engine.stop(), product.stop()])
await mochaGlobalTeardown()

const rows = measured.map(({ rates, perCore, latencies, ...row }) => ({
  ...row,
  rate: Math.round(percentile(rates, 0.5)),
  rate_per_core: Math.round(percentile(perCore, 0.5)),
  p50_ms: Number(percentile(latencies, 0.5).toFixed(2)),
  p99_ms: Number(percentile(latencies, 0.99).toFixed(2)),
}))
console.log(
  `\nmetadata, ${block.connections} connections that are kept, ${blocks} blocks of ${block.milliseconds} ms each, interleaved; medians\n` +
    'a core: requests for each second of processor time that the server used',
)
const perCoreOf = (wanted: (typeof rows)[number], target: string) =>
  rows.find(
    (row) =>
      row.target === target &&
      row.document === wanted.document &&
      row.conditional === wanted.conditional,
  )?.rate_per_core ?? 0
for (const row of rows) {
  const what = `${row.document}${row.conditional ? ', conditional' : ''}`
  console.log(
    `  ${what.padEnd(48)} ${row.target.padEnd(16)} ${String(row.rate).padStart(6)}/s ` +
      `${String(row.rate_per_core).padStart(6)}/s a core   p50 ${row.p50_ms} ms   p99 ${row.p99_ms} ms   ` +
      JSON.stringify(row.statuses),
  )
  if (row.target === product.name) {
    const ratio = row.rate_per_core / perCoreOf(row, engine.name)
    console.log(`  ${' '.repeat(48)} ratio ${ratio.toFixed(2)}`)
  }
}
const tokens = {
  p50_ms: [herd.quiet, herd.crowded].map((of) => Number(percentile(of, 0.5).toFixed(2))),
  p99_ms: [herd.quiet, herd.crowded].map((of) => Number(percentile(of, 0.99).toFixed(2))),
  herd: herd.statuses,
  herd_processor_seconds: Number(percentile(herd.processor, 0.5).toFixed(2)),
  herd_seconds: Number(percentile(herd.seconds, 0.5).toFixed(2)),
}
console.log(
  `\ntoken requests, 100/s, without and with 5,000 cold fetches of the key set in a second, ${blocks} rounds of each\n` +
    `  p50 ${tokens.p50_ms.join(' → ')} ms   p99 ${tokens.p99_ms.join(' → ')} ms   fetches ${JSON.stringify(tokens.herd)} in ${tokens.herd_seconds} s, for ${tokens.herd_processor_seconds} s of the server's processor time`,
)
console.log(JSON.stringify({ rows, tokens }))
