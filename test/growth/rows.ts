import type { Core } from '../../src/core.ts'

/** The tables that grow with use, each after those it refers to; rows from `$1` up to `$2`. */
const grown: Record<string, string> = {
  clients: `(tenant_id, client_id, metadata, created_at, updated_at)
    select 'default', 'grown-' || i, jsonb_build_object('client_id', 'grown-' || i), now(), now()`,
  client_secrets: `(tenant_id, client_id, hash, created_at)
    select 'default', 'grown-' || i, 'sha256:' || md5(i::text), now()`,
  accounts: `(tenant_id, id, email, email_key, email_verified, username, username_key, roles, created_at, updated_at)
    select 'default', 'grown-' || i, i || '@grown.example', i || '@grown.example', true, 'grown' || i, 'grown' || i, '{}',
      now(), now()`,
  passwords: `(tenant_id, account_id, hash, one_time, changed_at)
    select 'default', 'grown-' || i, md5(i::text), false, now()`,
  sessions: `(tenant_id, uid, handle_hash, account_id, transient, created_at, updated_at, expires_at)
    select 'default', 'grown-' || i, md5(i::text), 'grown-' || i, false, now(), now(), now() + interval '1 day'`,
  grants: `(tenant_id, id, account_id, client_id, payload, created_at, updated_at)
    select 'default', 'grown-' || i, 'grown-' || i, 'grown-' || i, '{}', now(), now()`,
  session_clients: `(tenant_id, session_uid, client_id, sid, grant_id, persists_logout, created_at)
    select 'default', 'grown-' || i, 'grown-' || i, md5(i::text), 'grown-' || i, false, now()`,
  families: `(tenant_id, id, grant_id, account_id, client_id, session_uid, ends_with_session, created_at, expires_at)
    select 'default', 'grown-' || i, 'grown-' || i, 'grown-' || i, 'grown-' || i, 'grown-' || i, false, now(),
      now() + interval '90 days'`,
  refresh_tokens: `(tenant_id, token_hash, family_id, payload, issued_at, expires_at)
    select 'default', md5(i::text), 'grown-' || i, '{}', now(), now() + interval '30 days'`,
  single_use: `(tenant_id, kind, key, spent_at, expires_at)
    select 'default', 'AuthorizationCode', md5(i::text), now(), now() + interval '2 minutes'`,
  denials: `(tenant_id, kind, subject, not_before, created_at, expires_at)
    select 'default', 'family', md5(i::text), now(), now() - interval '5 minutes', now() + interval '10 minutes'`,
  lockouts: `(tenant_id, subject, source, account_id, failures, refused, looked, last_at)
    select 'default', 'grown-' || i, 'network', 'grown-' || i, 1, 0, true, now()`,
  audit_events: `(tenant_id, id, at, type, account_id, client_id, family_id, request_id, position, seal)
    select 'default', 'grown-' || i, now() - i * interval '1 minute', 'token.issued', 'grown-' || i, 'grown-' || i,
      'grown-' || i, md5(i::text), 1000000 + i, md5(i::text)`,
}

export const grownTables = Object.keys(grown)

/** Fills every table that grows, and lets Postgres look at what is in them. */
export async function grow({ database }: Core, from: number, to: number): Promise<void> {
  // They were not changed just now.
  await database.execute('alter table clients disable trigger user')
  await database.execute('alter table client_secrets disable trigger user')
  for (const [name, rows] of Object.entries(grown)) {
    await database.execute(`insert into ${name} ${rows} from generate_series($1::int, $2::int) i`, [
      from,
      to,
    ])
  }
  await database.execute('alter table clients enable trigger user')
  await database.execute('alter table client_secrets enable trigger user')
  await database.execute('analyze')
}
