import { performance } from 'node:perf_hooks'
import { boot, type StorageKind, type TestServer } from '../test/support/boot.ts'
import { furnish, web } from '../test/support/fixtures.ts'
import { refresh, tokensFor, tokensIn } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { percentile } from './load/percentile.ts'

/** Refreshes per block, blocks per variant; the variants alternate, so that drift of the machine affects both. */
const perBlock = 40
const blocks = 6
const workers = 4

interface Variant {
  name: string
  server: TestServer
  tokens: string[]
  latencies: number[]
  rates: number[]
}

async function prepare(name: string, kind: StorageKind, window: string): Promise<Variant> {
  const server = await boot(kind, { REFRESH_REPLAY_WINDOW: window, LOG_LEVEL: 'silent' })
  await furnish(server)
  const tokens: string[] = []
  for (let i = 0; i < workers; i++) {
    const issued = await tokensFor(server, web, { scope: 'openid offline_access' })
    tokens.push(issued.refresh_token as string)
  }
  return { name, server, tokens, latencies: [], rates: [] }
}

async function measure(variant: Variant): Promise<void> {
  const started = performance.now()
  await Promise.all(
    variant.tokens.map(async (_, worker) => {
      for (let i = 0; i < perBlock / workers; i++) {
        const before = performance.now()
        const answer = tokensIn(
          await refresh(variant.server, web, { refresh_token: variant.tokens[worker] as string }),
        )
        variant.latencies.push(performance.now() - before)
        variant.tokens[worker] = answer.refresh_token as string
      }
    }),
  )
  variant.rates.push(perBlock / ((performance.now() - started) / 1000))
}

interface Counted {
  query: (...given: unknown[]) => unknown
}

/** Statements sent to Postgres for one refresh, including BEGIN and COMMIT. */
async function roundTrips({ server, tokens }: Variant): Promise<number> {
  const { master } = server.core.database.dataSource.driver as unknown as {
    master: Record<'_clients', Counted[]>
  }
  const { _clients: clients } = master
  let count = 0
  const originals = clients.map(({ query }) => query)
  for (const [i, client] of clients.entries()) {
    client.query = (...given) => {
      count++
      return Reflect.apply(originals[i] as Counted['query'], client, given)
    }
  }
  tokensIn(await refresh(server, web, { refresh_token: tokens[0] as string }))
  for (const [i, client] of clients.entries()) {
    client.query = originals[i] as Counted['query']
  }
  return count
}

await mochaGlobalSetup()
const kinds: StorageKind[] = servicesFound() ? ['services', 'embedded'] : ['embedded']
for (const kind of kinds) {
  const variants = [
    await prepare('without replay storage', kind, '0'),
    await prepare('with replay storage (30 s)', kind, '30'),
  ]
  for (const variant of variants) await measure(variant)
  for (const variant of variants) {
    variant.latencies.length = 0
    variant.rates.length = 0
  }
  for (let block = 0; block < blocks; block++)
    for (const variant of variants) await measure(variant)
  console.log(
    `\nrefresh, ${kind}, ${workers} at once, ${blocks} blocks of ${perBlock}, alternating`,
  )
  for (const variant of variants) {
    console.log(
      `  ${variant.name.padEnd(28)} ${percentile(variant.rates, 0.5).toFixed(0).padStart(5)}/s   ` +
        `p50 ${percentile(variant.latencies, 0.5).toFixed(1)} ms   p99 ${percentile(variant.latencies, 0.99).toFixed(1)} ms   ` +
        `statements per refresh ${await roundTrips(variant)}`,
    )
  }
  const [without, replaying] = variants.map(({ rates }) => percentile(rates, 0.5)) as [
    number,
    number,
  ]
  console.log(`  ratio with/without: ${(replaying / without).toFixed(2)}`)
  for (const { server } of variants) await server.stop()
}
await mochaGlobalTeardown()
