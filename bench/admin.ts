import { createHash } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { ask, bootstrap, tokenOf } from '../test/support/admin.ts'
import { boot, type StorageKind } from '../test/support/boot.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { accounts, clients, rows as events, fillEvents, patiently, perChunk } from './event-rows.ts'
import { percentile } from './load/percentile.ts'

/**
 * `npm run bench -- admin`: lists and searches of the admin API with 10,000 clients, 10,000 accounts, a million audit
 * events and 200,000 denials. Each round has one request of every kind, so that other load on the machine affects all
 * kinds equally.
 */
const rows = 10_000
const rounds = 100
const refusals = 200_000
/** Target for p95, in milliseconds. */
const most = 100

await mochaGlobalSetup()
const there: StorageKind[] = servicesFound() ? ['services', 'embedded'] : ['embedded']
const kinds = there.filter((kind) => (process.env['BENCH_STORAGE'] ?? kind) === kind)
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
  await fillEvents(server, 'default')
  for (let from = 1; from <= refusals; from += perChunk) {
    await patiently(
      server,
      `insert into refusals (tenant_id, id, at, endpoint, failed_check, error, client_id, reason)
       select 'default', md5(i::text)::uuid::text, now() - i * interval '2 seconds', 'token',
         case when i % 5000 = 0 then 'code_unused' else 'client_authenticated' end,
         case when i % 5000 = 0 then 'invalid_grant' else 'invalid_client' end, 'client-' || i % ${clients}, 'none'
       from generate_series(${from}, ${from + perChunk - 1}) i`,
    )
  }
  for (const table of ['clients', 'client_secrets', 'accounts', 'refusals', 'audit_events']) {
    await patiently(server, `analyze ${table}`)
  }

  console.log(
    `\nadmin API, ${kind}, ${rows} clients and accounts, ${events} events, ${refusals} refusals, ${rounds} requests each`,
  )
  const md5 = (text: string) => createHash('md5').update(text).digest('hex')
  const uuid = (i: number) => md5(String(i)).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  const list = '/tenants/default'
  const paths: Record<string, (i: number, cursor: string) => string> = {
    'list clients, first page': () => `${list}/clients?limit=50`,
    'list clients, next pages': (_, cursor) => `${list}/clients?limit=50${cursor}`,
    'search clients': (i) => `${list}/clients?q=number%20${i * 97}`,
    'search clients, no hit': (i) => `${list}/clients?q=nothing${i}`,
    'list accounts, next pages': (_, cursor) => `${list}/accounts?limit=50${cursor}`,
    'search accounts': (i) => `${list}/accounts?q=person${i * 97}`,
    'search accounts, no hit': (i) => `${list}/accounts?q=nobody${i}`,
    'read a client': () => `${list}/clients/keyturn-admin`,
    statistics: () => `${list}/statistics`,
    'audit, next pages': (_, cursor) => `${list}/audit?limit=50${cursor}`,
    'audit of an account': (i) => `${list}/audit?account_id=account-${(i * 971) % accounts}`,
    'audit of a client': (i) => `${list}/audit?client_id=client-${(i * 194) % clients}`,
    'audit of a rare type': () => `${list}/audit?type=account.locked`,
    'audit of a request': (i) => `${list}/audit?request_id=request-${i * 97}`,
    'denials, next pages': (_, cursor) => `/denials?limit=50${cursor}`,
    'denials of a client': (i) => `/denials?client_id=client-${(i * 97) % clients}`,
    'denials of a rare check': () => '/denials?check=code_unused',
    'denials of a rare code': () => '/denials?error=invalid_grant&tenant=default',
    explain: (i) => `/denials/${uuid(i * 97 + 1)}`,
  }
  const latencies = new Map(Object.keys(paths).map((name) => [name, [] as number[]]))
  const spent = new Map<string, number>()
  const cursors = new Map<string, string>()
  for (let i = -2; i < rounds; i++) {
    for (const [name, pathOf] of Object.entries(paths)) {
      // With embedded storage this includes Postgres; on a busy machine it is more reliable than the elapsed time.
      const cpu = process.cpuUsage()
      const before = performance.now()
      const page = await ask(server, 'GET', pathOf(Math.max(i, 0), cursors.get(name) ?? ''), {
        token,
      })
      const took = performance.now() - before
      const { user, system } = process.cpuUsage(cpu)
      if (page.status !== 200) throw new Error(`${name}: ${page.body}`)
      const { next_cursor: next } = page.json() as { next_cursor?: string }
      cursors.set(name, next === undefined ? '' : `&cursor=${encodeURIComponent(next)}`)
      // The first rounds prepare query plans and compile code.
      if (i < 0) continue
      latencies.get(name)?.push(took)
      spent.set(name, (spent.get(name) ?? 0) + user + system)
    }
  }
  for (const [name, all] of latencies) {
    const p95 = percentile(all, 0.95)
    console.log(
      `  ${name.padEnd(26)} p50 ${percentile(all, 0.5).toFixed(1).padStart(6)} ms   ` +
        `p95 ${p95.toFixed(1).padStart(6)} ms${p95 < most ? ' ' : '!'}   ` +
        `processor ${((spent.get(name) ?? 0) / 1000 / rounds).toFixed(1).padStart(5)} ms each`,
    )
  }
  await server.core.database.execute('alter table audit_events disable trigger user')
  await patiently(server, 'truncate audit_events, audit_heads, refusals')
  await server.stop()
}
await mochaGlobalTeardown()
