/** Statements that insert rows `$1` to `$2` as they look in use, in the order of the primary key. */
const statements: Record<string, string> = {
  clients: `insert into clients (tenant_id, client_id, metadata, created_at, updated_at)
    select 'default', 'filler-' || md5(i::text), jsonb_build_object('client_id', 'filler-' || md5(i::text),
      'client_name', 'Client number ' || i, 'grant_types', jsonb_build_array('authorization_code', 'refresh_token'),
      'redirect_uris', jsonb_build_array('https://' || i || '.example.com/callback'),
      'token_endpoint_auth_method', 'client_secret_basic'), now(), now()
    from generate_series($1::bigint, $2::bigint) i order by 2`,
  client_secrets: `insert into client_secrets (tenant_id, client_id, hash, created_at)
    select 'default', 'filler-' || md5(i::text), 'sha256:' || md5(i::text), now()
    from generate_series($1::bigint, $2::bigint) i order by 2`,
  accounts: `insert into accounts (tenant_id, id, email, email_key, email_verified, name, roles, created_at, updated_at)
    select 'default', 'filler-' || md5(i::text), 'filler' || i || '@example.com', 'filler' || i || '@example.com', true,
      'Person number ' || i, '{}', now(), now()
    from generate_series($1::bigint, $2::bigint) i order by 2`,
  grants: `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
    select 'default', 'filler-' || md5(i::text), 'filler-' || md5(i::text), 'filler-' || md5(i::text),
      '{"openid": {"scope": "openid profile email offline_access"}}', now() - i * interval '1 second', now()
    from generate_series($1::bigint, $2::bigint) i order by 2`,
  families: `insert into families (tenant_id, id, grant_id, account_id, client_id, ends_with_session, created_at,
      expires_at, ip, user_agent)
    select 'default', 'filler-' || md5(i::text), 'filler-' || md5(i::text), 'filler-' || md5(i::text),
      'filler-' || md5(i::text), false, now() - i * interval '1 second', now() + interval '30 days', '192.0.2.1',
      'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
    from generate_series($1::bigint, $2::bigint) i order by 2`,
  refresh_tokens: `insert into refresh_tokens (tenant_id, token_hash, family_id, payload, issued_at, expires_at)
    select 'default', 'filler-' || md5(i::text), 'filler-' || md5(i::text),
      '{"kind": "RefreshToken", "scope": "openid profile email offline_access"}', now(), now() + interval '30 days'
    from generate_series($1::bigint, $2::bigint) i order by 2`,
  sessions: `insert into sessions (tenant_id, uid, handle_hash, account_id, login_at, transient, created_at, updated_at,
      expires_at)
    select 'default', 'filler-' || md5(i::text), 'filler-' || md5(i::text), 'filler-' || md5(i::text), now(), false,
      now(), now(), now() + interval '14 days'
    from generate_series($1::bigint, $2::bigint) i order by 2`,
}

export const filledTables = Object.keys(statements)

/** Executes statements: directly and without a timeout, or through a server's storage. */
export type Fill = (statement: string, parameters?: number[]) => Promise<unknown>

/**
 * Fills a database with `count` clients, accounts, grants, families and sessions; each has one of each.
 * @param perStatement rows per statement
 */
export async function fillWithRows(run: Fill, count: number, perStatement: number): Promise<void> {
  for (const [table, statement] of Object.entries(statements)) {
    for (let from = 1; from <= count; from += perStatement) {
      await run(statement, [from, Math.min(count, from + perStatement - 1)])
    }
    await run(`analyze ${table}`)
  }
}
