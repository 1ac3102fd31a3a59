import pg from 'pg'

/** Tables that are as small as what an operator declares, whatever happens to clients and people. */
export const small: Record<string, string> = {
  audit_gaps: 'a row for each run of retention, written in the background',
  audit_heads: 'a row for each tenant',
  key_encryption_keys: 'of the installation',
  registration_policies: 'a row for each tenant',
  resource_servers: 'declared by an operator',
  role_assignments: 'given by an owner',
  schema_migrations: 'of the installation',
  served_periods: 'of the installation; a row for each process and outage of a day',
  schema_needs: 'of the installation; a row for a release that takes away what an earlier one used',
  shared_secrets: 'a few for each tenant',
  signal_streams: 'one for each resource server that listens',
  signing_key_claims: 'one for each tenant and algorithm',
  signing_keys: 'a few for each tenant and algorithm',
  tenants: 'made by an owner',
  webhooks: 'declared by an operator',
}

/** Statements that cost more where there is more, up to a bound, or that read one row of all. */
export const bounded: Record<string, string> = {
  'select count(*) filter (where': 'counts so many at most, and is an estimate from then on',
  'select id, to_char(at at time zone':
    'takes 500 events of each kind at a time to what keeps fewer',
  'delete from changes': 'removes what is over, 500 at a time',
  'insert into audit_heads': 'asks whether there is an event, and takes the first',
  'insert into registered_clients': 'counts clients that nobody has used, which the policy bounds',
}

/** Columns that say what sort of thing a row is: few values, however many rows. */
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

/** What a column of the row with number `i` says: another thing where rows are found by it, else the same. */
function valueOf({ name, type, indexed }: Column): string {
  if (!indexed || sorts.includes(name)) return `t.${name}`
  // Of transactions that are long over: the number of one that is to come would be new to everybody.
  if (name === 'changed_in') return 'i % 500'
  if (type === 'text') return `'grown-' || i`
  if (type === 'integer' || type === 'bigint') return '1000000 + i'
  // What is over happened earlier, what is to come comes later.
  if (type.startsWith('timestamp')) {
    return `t.${name} + i * interval '1 minute' * sign(extract(epoch from t.${name} - now()))`
  }
  return `t.${name}`
}

/**
 * Adds rows to tables, made after one that is there: of those that are, the one with the most that has not happened yet.
 * Nothing is looked at that the database would hold together: they refer to nothing.
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
  // As among many more rows, where the pages of a few are in memory: small tables are not read from end to end for it.
  await client.query('set random_page_cost = 1')
}
