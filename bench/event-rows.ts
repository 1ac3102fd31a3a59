import { performance } from 'node:perf_hooks'
import type { TestServer } from '../test/support/boot.ts'

/** The number of audit events to search, of one tenant with 50,000 accounts and 10,000 clients. */
export const rows = Number(process.env['BENCH_ROWS'] ?? 1_000_000)
export const [accounts, clients] = [50_000, 10_000]
export const perChunk = 5000

const types = `(array['account.signed_in', 'token.issued', 'account.signed_in', 'token.issued', 'family.replayed',
  'mail.sent', 'consent.given', 'session.signed_out', 'family.ended', 'account.sign_in_failed'])[1 + i % 10]`

/** Executes a statement without a timeout. */
export function patiently(
  { core }: TestServer,
  sql: string,
  parameters: unknown[] = [],
): Promise<number> {
  return core.database.transaction(async () => {
    await core.database.query('set local statement_timeout = 0')
    return core.database.execute(sql, parameters)
  })
}

/** Writes them as already sealed, because the cost of a list does not depend on the values of the seals. */
export async function fillEvents(server: TestServer, tenant: string): Promise<void> {
  const began = performance.now()
  for (let from = 1; from <= rows; from += perChunk) {
    await patiently(
      server,
      `insert into audit_events (tenant_id, id, at, type, outcome, actor_kind, actor_id, account_id, client_id, ip,
         user_agent, request_id, detail, position, seal)
       select $1, gen_random_uuid()::text, now() - ($3::bigint - i) * interval '2 seconds',
         case when i % 10000 = 0 then 'account.locked' else ${types} end, 'success', 'account',
         'account-' || (i * 7919) % ${accounts}, 'account-' || (i * 7919) % ${accounts},
         case when i % 2 = 0 then 'client-' || (i * 104729) % ${clients} end, '192.0.2.' || i % 250,
         'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'request-' || i / 2,
         '{"amr": ["pwd"]}', 1000000 + i, md5(i::text) || 'xxxxxxxxxxx'
       from generate_series($2::bigint, $2::bigint + ${perChunk} - 1) i`,
      [tenant, from, rows],
    )
  }
  await server.core.database.query('vacuum (analyze) audit_events').catch(() => undefined)
  console.log(
    `  filled with ${rows} events in ${((performance.now() - began) / 1000).toFixed(0)} s`,
  )
}
