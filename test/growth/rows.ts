import pg from 'pg'

/** Tables whose size depends on what an operator declares, not on clients and users. With the reason. */
export const small: Record<string, string> = {
  audit_gaps: 'a row per run of retention, written in the background',
  audit_heads: 'a row for each tenant',
  key_encryption_keys: 'one set per installation',
  registration_policies: 'a row for each tenant',
  resource_servers: 'declared by an operator',
  role_assignments: 'given by an owner',
  schema_migrations: 'one set per installation',
  served_periods: 'a row per process and outage of a day',
  schema_needs: 'a row per release that removes what an earlier one used',
  shared_secrets: 'a few for each tenant',
  signal_streams: 'one per resource server that receives signals',
  signing_key_claims: 'one for each tenant and algorithm',
  signing_keys: 'a few for each tenant and algorithm',
  tenants: 'made by an owner',
  webhooks: 'declared by an operator',
}

/** Statements whose cost grows with the table up to a bound, or that read one row of all. With the reason. */
export const bounded: Record<string, string> = {
  'select count(*) filter (where': 'counts up to a limit, and estimates beyond',
  'select id, to_char(at at time zone': 'moves 500 events of each kind at a time',
  'delete from changes': 'deletes expired rows, 500 at a time',
  'insert into audit_heads': 'reads the first event',
  'insert into registered_clients': 'counts unused clients, whose number the policy bounds',
}

/** Columns that classify a row: few values, however many rows. */
const sorts = [
  ...['tenant_id', 'kind', 'type', 'model', 'purpose', 'source', 'destination'],
  ...['error', 'failed_check'],
]

interface Column {
  name: string
  type: string
  indexed: boolean
}

/** Every table with its columns. */
export async function tablesOf(client: pg.Client): Promise<Map<string, Column[]>> {
  const { rows } = await client.query<{ table: string; columns: Column[] }>(
    `select c.relname as table, json_agg(json_build_object('name', a.attname, 'type', a.atttypid::regtype,
       'indexed', exists (select from pg_index i where i.indrelid = c.oid and a.attnum = any (i.indkey)))) as columns
     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace group by 1`,
  )
  return new Map(rows.map(({ table, columns }) => [table, columns]))
}

/** The SQL for a column of row number `i`: a distinct value where rows are looked up by it, else a copy. */
function valueOf({ name, type, indexed }: Column): string {
  if (!indexed || sorts.includes(name)) return `t.${name}`
  // Transactions that are long over; a future transaction id would be new to every poll.
  if (name === 'changed_in') return 'i % 500'
  if (type === 'text') return `'grown-' || i`
  if (type === 'integer' || type === 'bigint') return '1000000 + i'
  // Past times move further into the past, future ones further into the future.
  if (type.startsWith('timestamp')) {
    return `t.${name} + i * interval '1 minute' * sign(extract(epoch from t.${name} - now()))`
  }
  return `t.${name}`
}

/**
 * Adds rows to the tables, copied from the existing row with the most null columns, such as those for what has not
 * happened yet. Foreign keys are off, so that the copies need no related rows.
 */
export async function grow(
  client: pg.Client,
  tables: ReadonlyMap<string, Column[]>,
  from: number,
  to: number,
): Promise<void> {
  await client.query('set session_replication_role = replica')
  for (const [table, columns] of tables) {
    const names = columns.map(({ name }) => name).join(', ')
    await client.query(
      `insert into ${table} (${names}) select ${columns.map(valueOf).join(', ')}
       from (select * from ${table} order by num_nulls(${names}) desc limit 1) t, generate_series(${from}, ${to}) i`,
    )
  }
  await client.query('analyze')
  // As with many more rows and cached pages, so that small tables are not scanned sequentially.
  await client.query('set random_page_cost = 1')
}
