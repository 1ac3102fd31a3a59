import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freshStorage } from '../test/support/boot.ts'
import { startChild } from '../test/support/child.ts'
import { openNode } from '../test/support/cores.ts'
import { eventually } from '../test/support/eventually.ts'
import { furnish, machine } from '../test/support/fixtures.ts'
import { freePort } from '../test/support/free-port.ts'
import { exchange } from '../test/support/http-exchange.ts'
import { startNode } from '../test/support/node-process.ts'
import { basic } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { closedLoop } from './load/closed-loop.ts'
import { percentile } from './load/percentile.ts'

/** Blocks per server and question; all take turns, so that drift of the machine meets each. */
const blocks = 7
const block = { connections: 8, milliseconds: 1000 }

interface Target {
  name: string
  url: string
  pid: number
  stop(): Promise<unknown>
}

const kind = servicesFound() ? 'services' : 'embedded'

async function startProduct(): Promise<Target> {
  const env = { ...(await freshStorage(kind)), LOG_LEVEL: 'info' }
  const core = await openNode(env)
  await core.firstStart()
  await furnish({ core })
  await core.close()
  const node = await startNode({ env })
  return { name: 'keyturn', url: node.url, pid: node.pid, stop: () => node.stop() }
}

async function startEngineAlone(): Promise<Target> {
  const PORT = String(await freePort())
  const program = fileURLToPath(new URL('metadata/engine.ts', import.meta.url))
  const env = { ...(await freshStorage(kind)), PORT }
  const core = await openNode(env)
  await core.firstStart()
  await core.close()
  const child = await startChild(process.execPath, [program], { env })
  const url = `http://localhost:${PORT}`
  await eventually(
    `the engine answers: ${child.stderr()}`,
    async () => (await fetch(`${url}/jwks`)).ok,
  )
  return { name: 'the engine alone', url, pid: child.pid, stop: () => child.stop() }
}

/** Seconds of processor time that a process has used (proc(5): fields 14 and 15, in ticks of 10 ms). */
function processorTime(pid: number): number {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

interface Measured {
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

async function throughput(product: Target, engine: Target): Promise<Measured[]> {
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

interface Herd {
  /** Milliseconds of token requests, without and with the herd. */
  quiet: number[]
  crowded: number[]
  seconds: number[]
  statuses: Record<string, number>
}

async function tokenRequest(url: string): Promise<number> {
  const before = performance.now()
  const page = await exchange({
    method: 'POST',
    url: new URL('/token', url),
    headers: {
      authorization: basic(machine),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials&scope=orders:read&resource=https://api.example.com',
  })
  if (page.status !== 200) throw new Error(`${page.status}: ${page.body}`)
  return performance.now() - before
}

/** Token requests for a second and a half, 100 a second, whether or not earlier ones have been answered. */
async function tokenRequests(url: string): Promise<number[]> {
  const asked: Promise<number>[] = []
  for (let i = 0; i < 150; i++) {
    asked.push(tokenRequest(url))
    await pause(10)
  }
  return Promise.all(asked)
}

/** Whether token requests notice that 5,000 verifiers fetch the key set within one second. */
async function besideHerd({ url }: Target): Promise<Herd> {
  const found: Herd = { quiet: [], crowded: [], seconds: [], statuses: {} }
  const program = fileURLToPath(new URL('metadata/herd.ts', import.meta.url))
  await tokenRequests(url)
  for (let round = 0; round < blocks; round++) {
    found.quiet.push(...(await tokenRequests(url)))
    const herd = await startChild(process.execPath, [program, `${url}/jwks`, '5000'], {})
    await pause(500)
    found.crowded.push(...(await tokenRequests(url)))
    await herd.exit
    const { statuses, seconds } = JSON.parse(herd.stdout()) as Pick<Herd, 'statuses'> & {
      seconds: number
    }
    found.seconds.push(seconds)
    for (const [status, count] of Object.entries(statuses)) {
      found.statuses[status] = (found.statuses[status] ?? 0) + count
    }
  }
  return found
}

await mochaGlobalSetup()
const engine = await startEngineAlone()
const product = await startProduct()
const measured = await throughput(product, engine)
const herd = await besideHerd(product)
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
  herd_seconds: Number(percentile(herd.seconds, 0.5).toFixed(2)),
}
console.log(
  `\ntoken requests, 100/s, without and with 5,000 cold fetches of the key set in a second, ${blocks} rounds of each\n` +
    `  p50 ${tokens.p50_ms.join(' → ')} ms   p99 ${tokens.p99_ms.join(' → ')} ms   fetches ${JSON.stringify(tokens.herd)} in ${tokens.herd_seconds} s`,
)
console.log(JSON.stringify({ rows, tokens }))
