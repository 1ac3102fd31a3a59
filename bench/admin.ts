import { performance } from 'node:perf_hooks'
import { ask, bootstrap, tokenOf } from '../test/support/admin.ts'
import { boot, type StorageKind } from '../test/support/boot.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { percentile } from './load/percentile.ts'

/** Lists and searches of the admin API among ten thousand clients and as many accounts. */
const rows = 10_000
const rounds = 100

await mochaGlobalSetup()
const kinds: StorageKind[] = servicesFound() ? ['services', 'embedded'] : ['embedded']
for (const kind of kinds) {
  const server = await boot(kind, { LOG_LEVEL: 'silent' })
  const token = await tokenOf(server, await bootstrap(server))
  await server.core.database.query(
    `insert into clients (tenant_id, client_id, metadata, created_at, updated_at)
     select 'default', 'bench-' || md5(i::text), jsonb_build_object('client_id', 'bench-' || md5(i::text),
       'client_name', 'Client number ' || i, 'grant_types', jsonb_build_array('authorization_code'),
       'redirect_uris', jsonb_build_array('https://' || i || '.example.com/callback'),
       'token_endpoint_auth_method', 'client_secret_basic'), now(), now()
     from generate_series(1, ${rows}) as i`,
  )
  await server.core.database.query(
    `insert into client_secrets (tenant_id, client_id, hash, created_at)
     select tenant_id, client_id, 'sha256:' || client_id, now() from clients where client_id like 'bench-%'`,
  )
  await server.core.database.query(
    `insert into accounts (tenant_id, id, email, email_key, email_verified, name, roles, created_at, updated_at)
     select 'default', gen_random_uuid()::text, 'person' || i || '@example.com', 'person' || i || '@example.com', true,
       'Person number ' || i, '{}', now(), now()
     from generate_series(1, ${rows}) as i`,
  )
  await server.core.database.query('analyze clients, client_secrets, accounts')

  console.log(`\nadmin API, ${kind}, ${rows} clients and accounts, ${rounds} requests each`)
  const paths: Record<string, (i: number, cursor: string) => string> = {
    'list clients, first page': () => '/clients?limit=50',
    'list clients, next pages': (_, cursor) => `/clients?limit=50${cursor}`,
    'search clients': (i) => `/clients?q=number%20${i * 97}`,
    'search clients, no hit': (i) => `/clients?q=nothing${i}`,
    'list accounts, next pages': (_, cursor) => `/accounts?limit=50${cursor}`,
    'search accounts': (i) => `/accounts?q=person${i * 97}`,
    'read a client': () => '/clients/keyturn-admin',
    statistics: () => '/statistics',
    audit: () => '/audit',
  }
  for (const [name, pathOf] of Object.entries(paths)) {
    const latencies: number[] = []
    let cursor = ''
    // With embedded storage that is Postgres, too; on a busy machine it says more than the clock.
    const spent = process.cpuUsage()
    for (let i = 0; i < rounds; i++) {
      const before = performance.now()
      const page = await ask(server, 'GET', `/tenants/default${pathOf(i, cursor)}`, { token })
      latencies.push(performance.now() - before)
      if (page.status !== 200) throw new Error(`${name}: ${page.body}`)
      const { next_cursor: next } = page.json() as { next_cursor?: string }
      cursor = next === undefined ? '' : `&cursor=${next}`
    }
    const { user, system } = process.cpuUsage(spent)
    const cpu = user + system
    console.log(
      `  ${name.padEnd(26)} p50 ${percentile(latencies, 0.5).toFixed(1).padStart(6)} ms   ` +
        `p95 ${percentile(latencies, 0.95).toFixed(1).padStart(6)} ms   ` +
        `processor ${(cpu / 1000 / rounds).toFixed(1).padStart(5)} ms each`,
    )
  }
  await server.stop()
}
await mochaGlobalTeardown()
