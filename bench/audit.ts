import { performance } from 'node:perf_hooks'
import type { EventFilter } from '../src/audit/listing.ts'
import { boot, type StorageKind, type TestServer } from '../test/support/boot.ts'
import { furnish, web } from '../test/support/fixtures.ts'
import { refresh, tokensFor, tokensIn } from '../test/support/protocol.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { accounts, clients, fillEvents, patiently, rows } from './event-rows.ts'
import { percentile } from './load/percentile.ts'

/**
 * `npm run bench -- audit`: pages of 50 from a million events of one tenant with 50,000 accounts and 10,000 clients;
 * and refreshes while events are being sealed, compared with refreshes while the same number of already sealed events
 * is written.
 */
const repetitions = 100
const tenant = 'default'

const any = (most: number) => Math.floor(Math.random() * most)
const ago = (seconds: number) => Date.now() - seconds * 1000
const span = rows * 2

const searches: Record<string, () => EventFilter> = {
  'the newest': () => ({}),
  'of an account': () => ({ accountId: `account-${any(accounts)}` }),
  'of a client': () => ({ clientId: `client-${any(clients / 2) * 2}` }),
  'of a common type': () => ({ types: ['account.signed_in'] }),
  'of a rare type': () => ({ types: ['account.locked'] }),
  'of two types': () => ({ types: ['account.locked', 'account.sign_in_failed'] }),
  'of a request': () => ({ requestId: `request-${any(rows / 2)}` }),
  'of a day': () => {
    const since = ago(86_400 + any(span - 86_400))
    return { since, until: since + 86_400_000 }
  },
  'of an account and a type': () => ({
    accountId: `account-${any(accounts)}`,
    types: ['account.signed_in'],
  }),
  'of a client and a type it never has': () => ({
    clientId: `client-${any(clients / 2) * 2}`,
    types: ['account.locked'],
    since: ago(span),
  }),
}

async function search({ core }: TestServer, filter: () => EventFilter) {
  const latencies: number[] = []
  let found = 0
  for (let i = 0; i < repetitions; i++) {
    const wanted = filter()
    const began = performance.now()
    const page = await core.audit.listEvents(tenant, wanted, { limit: 50 })
    // The second page starts at an arbitrary position.
    if (page.next) await core.audit.listEvents(tenant, wanted, { limit: 50, after: page.next })
    latencies.push((performance.now() - began) / (page.next ? 2 : 1))
    found += page.events.length
  }
  return { latencies, found: found / repetitions }
}

const perBlock = 60
const blocks = 6

/** Refreshes per second while events are written. @param sealed whether those events are already sealed */
async function refreshes(server: TestServer, tokens: string[], sealed: boolean): Promise<number> {
  let running = true
  const writer = (async () => {
    for (let i = 0; running; i++) {
      await server.core.database.execute(
        `insert into audit_events (tenant_id, id, at, type, account_id, position, seal)
         select $1, gen_random_uuid()::text, now(), 'account.signed_in', 'bench',
           case when $2 then 100000000 + (extract(epoch from clock_timestamp()) * 1000)::bigint * 100 + i end,
           case when $2 then 'x' end from generate_series(1, 10) i`,
        [sealed ? 'sealed' : tenant, sealed],
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  const began = performance.now()
  await Promise.all(
    tokens.map(async (_, worker) => {
      for (let i = 0; i < perBlock / tokens.length; i++) {
        const token = { refresh_token: tokens[worker] as string }
        tokens[worker] = tokensIn(await refresh(server, web, token)).refresh_token as string
      }
    }),
  )
  const rate = perBlock / ((performance.now() - began) / 1000)
  running = false
  await writer
  return rate
}

async function compare(kind: StorageKind): Promise<void> {
  const server = await boot(kind, { LOG_LEVEL: 'silent' })
  await furnish(server)
  await server.core.tenants.declare({ id: 'sealed', name: 'Sealed' })
  const tokens: string[] = []
  for (let i = 0; i < 4; i++) {
    const issued = await tokensFor(server, web, { scope: 'openid offline_access' })
    tokens.push(issued.refresh_token as string)
  }
  const rates: Record<string, number[]> = { true: [], false: [] }
  await refreshes(server, tokens, true)
  for (let block = 0; block < blocks; block++) {
    for (const sealed of block % 2 ? [true, false] : [false, true])
      rates[String(sealed)]?.push(await refreshes(server, tokens, sealed))
  }
  const [without, sealing] = [rates['true'] ?? [], rates['false'] ?? []].map((of) =>
    percentile(of, 0.5),
  )
  console.log(
    `  refreshes: ${without?.toFixed(0)}/s with 500 events/s written as sealed, ${sealing?.toFixed(0)}/s while ` +
      `they are sealed: ratio ${((sealing ?? 0) / (without ?? 1)).toFixed(2)}`,
  )

  const backlog = 20_000
  await patiently(
    server,
    `insert into audit_events (tenant_id, id, at, type, account_id)
     select 'default', gen_random_uuid()::text, now(), 'account.signed_in', 'bench' from generate_series(1, ${backlog})`,
  )
  const began = performance.now()
  let sealed = 0
  while (sealed < backlog / 2) sealed += await server.core.audit.sealEvents()
  const sealSeconds = (performance.now() - began) / 1000
  while ((await server.core.audit.sealEvents()) > 0);
  const verifyBegan = performance.now()
  const { verified } = await server.core.audit.verify(tenant)
  const verifySeconds = (performance.now() - verifyBegan) / 1000
  console.log(
    `  sealing: ${(sealed / sealSeconds).toFixed(0)} events/s; verifying: ${(verified / verifySeconds).toFixed(0)} events/s`,
  )
  await server.core.database.execute('alter table audit_events disable trigger user')
  await patiently(server, 'truncate audit_events, audit_heads')
  await fillEvents(server, tenant)
  for (const [name, filter] of Object.entries(searches)) {
    await search(server, filter)
    const { latencies, found } = await search(server, filter)
    console.log(
      `  ${name.padEnd(42)} p50 ${percentile(latencies, 0.5).toFixed(1).padStart(6)} ms   p95 ` +
        `${percentile(latencies, 0.95).toFixed(1).padStart(6)} ms   ${found.toFixed(0)} found`,
    )
  }
  await server.core.database.execute('alter table audit_events enable trigger user')
  await server.stop().catch((error: Error) => console.log(`  (${error.message.slice(0, 80)})`))
}

await mochaGlobalSetup()
const kinds: StorageKind[] = servicesFound() ? ['services', 'embedded'] : ['embedded']
for (const kind of kinds) {
  console.log(`\naudit, ${kind}`)
  await compare(kind)
}
await mochaGlobalTeardown()
