import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import { type Account, identifierKey, type Profile, type Role } from './account.ts'

export const AccountsTable = table('accounts', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    email: column.text,
    email_key: column.text,
    email_verified: column.flag,
    username: nullable(column.text),
    username_key: nullable(column.text),
    name: nullable(column.text),
    roles: column.texts,
    created_at: column.time,
    updated_at: column.time,
    disabled_at: nullable(column.time),
    sign_ins_not_before: nullable(column.time),
    deleted_at: nullable(column.time),
    email_codes_since: nullable(column.time),
  },
  references: { tenant: ofTenant },
  unique: { email: ['tenant_id', 'email_key'], username: ['tenant_id', 'username_key'] },
  index: { operators: { columns: ['tenant_id', 'id'], where: "'operator'::text = ANY (roles)" } },
})

export const PasswordsTable = table('passwords', {
  key: ['tenant_id', 'account_id'],
  columns: {
    tenant_id: column.text,
    account_id: column.text,
    hash: column.text,
    one_time: column.flag,
    short: nullable(column.flag),
    expires_at: nullable(column.time),
    changed_at: column.time,
  },
  references: { account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']] },
})

export interface AccountRow {
  tenant_id: string
  id: string
  email: string
  email_verified: boolean
  username: string | null
  name: string | null
  roles: string[]
  updated_at: Date
  disabled_at: Date | null
}

export interface StoredPassword {
  hash: string
  oneTime: boolean
  /** Whether it is long enough only together with a second factor. */
  short: boolean
  /** Milliseconds since the epoch; only for one-time passwords. */
  expiresAt?: number
}

/** The hash of a password that its owner chose. */
export type Chosen = Pick<StoredPassword, 'hash' | 'short'>

/** Columns of `accounts a`. */
export const accountColumns =
  'a.tenant_id, a.id, a.email, a.email_verified, a.username, a.name, a.roles, a.updated_at, a.disabled_at'

/** SQL: whether a sign-in of an account is still valid. @param verifiedAt SQL: when its password was checked */
export const signInCounts = (verifiedAt: string) =>
  `disabled_at is null and (sign_ins_not_before is null or sign_ins_not_before < ${verifiedAt})`

export function toAccount(row: AccountRow): Account {
  return {
    tenant: row.tenant_id,
    id: row.id,
    email: row.email,
    emailVerified: row.email_verified,
    ...present({ username: row.username, name: row.name }),
    roles: row.roles as Role[],
    disabled: row.disabled_at !== null,
    updatedAt: Math.floor(row.updated_at.getTime() / 1000),
  }
}

export function createAccountStore({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  /**
   * The last active operator among these accounts, which must stay. Locks all operators, in one order, so that of two
   * concurrent removals the second sees the first. `no key update`: a foreign key check does not wait for it. Otherwise
   * a code exchange, which locks a session and then references the account, could deadlock with it.
   */
  async function lastOperator(tenant: string, ids: string[]): Promise<string | undefined> {
    const operators = await database.query<{ id: string }>(
      `select id from accounts where tenant_id = $1 and 'operator' = any(roles) and disabled_at is null
         and exists (select 1 from accounts o where o.tenant_id = $1 and o.id = any($2) and 'operator' = any(o.roles))
       order by id for no key update`,
      [tenant, ids],
    )
    return operators.every(({ id }) => ids.includes(id)) ? operators.at(-1)?.id : undefined
  }

  return {
    async byId(tenant: string, id: string): Promise<Account | undefined> {
      const [row] = await database.query<AccountRow>(
        `select ${accountColumns} from accounts a where a.tenant_id = $1 and a.id = $2`,
        [tenant, id],
      )
      return row && toAccount(row)
    },

    async known(tenant: string, id: string): Promise<Account | undefined> {
      const [row] = await database.query<AccountRow>(
        `select ${accountColumns} from accounts a
         where a.tenant_id = $1 and a.id = $2 and a.deleted_at is null`,
        [tenant, id],
      )
      return row && toAccount(row)
    },

    async hasOperator(tenant: string): Promise<boolean> {
      const found = await database.query(
        `select 1 from accounts where tenant_id = $1 and deleted_at is null and 'operator' = any(roles) limit 1`,
        [tenant],
      )
      return found.length > 0
    },

    /** The account with this e-mail address or user name, and its password. */
    async byIdentifier(
      tenant: string,
      identifier: string,
    ): Promise<{ account: Account; password?: StoredPassword } | undefined> {
      // No identifier contains U+0000, and Postgres cannot store it.
      if (identifier.includes('\0')) return undefined
      const [row] = await database.query<
        AccountRow & {
          hash: string | null
          one_time: boolean
          short: boolean | null
          expires_at: Date | null
        }
      >(
        `select ${accountColumns}, p.hash, p.one_time, p.short, p.expires_at
         from accounts a left join passwords p on p.tenant_id = a.tenant_id and p.account_id = a.id
         where a.tenant_id = $1 and (a.email_key = $2 or a.username_key = $2) and a.deleted_at is null`,
        [tenant, identifierKey(identifier)],
      )
      if (!row) return undefined
      if (row.hash === null) return { account: toAccount(row) }
      return {
        account: toAccount(row),
        password: {
          hash: row.hash,
          oneTime: row.one_time,
          short: row.short ?? false,
          ...(row.expires_at ? { expiresAt: row.expires_at.getTime() } : {}),
        },
      }
    },

    /** @returns the ids of the inserted accounts: without those whose address or user name is taken */
    async insert(
      tenant: string,
      accounts: Array<Omit<Account, 'disabled' | 'updatedAt'>>,
    ): Promise<Set<string>> {
      const rows = accounts.map(({ id, email, emailVerified, username, name, roles }) => ({
        id,
        email,
        email_key: identifierKey(email),
        email_verified: emailVerified,
        username,
        username_key: username === undefined ? undefined : identifierKey(username),
        name,
        roles,
      }))
      const inserted = await database.query<{ id: string }>(
        `insert into accounts (tenant_id, id, email, email_key, email_verified, username, username_key, name, roles,
           created_at, updated_at)
         select $1, id, email, email_key, email_verified, username, username_key, name, roles, $3, $3
         from jsonb_to_recordset($2) as a (id text, email text, email_key text, email_verified boolean, username text,
           username_key text, name text, roles text[])
         on conflict do nothing returning id`,
        [tenant, JSON.stringify(rows), now()],
      )
      return new Set(inserted.map(({ id }) => id))
    },

    /**
     * Number of rows changed: 0 when everything is as declared already.
     * @throws a unique violation on uq_accounts_email, uq_accounts_username
     */
    updateProfile(account: Omit<Account, 'disabled' | 'updatedAt'>): Promise<number> {
      return database.execute(
        `update accounts set email = $3, email_verified = $4, username = $5, username_key = $6, name = $7,
           roles = $8, updated_at = $9, email_key = $10
         where tenant_id = $1 and id = $2
           and (email, email_verified, username, name, roles) is distinct from ($3, $4, $5, $7, $8)`,
        [
          account.tenant,
          account.id,
          account.email,
          account.emailVerified,
          account.username ?? null,
          account.username === undefined ? null : identifierKey(account.username),
          account.name ?? null,
          account.roles,
          now(),
          identifierKey(account.email),
        ],
      )
    },

    /** @throws a unique violation on uq_accounts_username. @returns whether anything changed */
    async rename(tenant: string, id: string, { name, username }: Profile): Promise<boolean> {
      const changed = await database.execute(
        `update accounts set name = $3, username = $4, username_key = $5, updated_at = $6
         where tenant_id = $1 and id = $2 and disabled_at is null and (name, username) is distinct from ($3, $4)`,
        [
          tenant,
          id,
          name ?? null,
          username ?? null,
          username === undefined ? null : identifierKey(username),
          now(),
        ],
      )
      return changed === 1
    },

    /** Voids every sign-in whose password was checked up to now, even if it is no session yet. */
    async voidSignIns(tenant: string, ids: string[]): Promise<void> {
      await database.execute(
        `update accounts set sign_ins_not_before = $3 where tenant_id = $1 and id = any($2)`,
        [tenant, ids, now()],
      )
    },

    /** Whether a sign-in is still valid. Within a transaction it stays so until the end: voiding it waits. */
    async holdSignIn(tenant: string, id: string, verifiedAt: number) {
      const [row] = await database.query<{ sign_ins_not_before: Date | null }>(
        `select sign_ins_not_before from accounts
         where tenant_id = $1 and id = $2 and ${signInCounts('$3')} for share`,
        [tenant, id, new Date(verifiedAt)],
      )
      return row && { voidedAt: row.sign_ins_not_before?.getTime() ?? 0 }
    },

    /**
     * Locks accounts in one order, so that of two concurrent deletions the second waits for the first.
     * @returns the accounts marked: without the last operator, and without those deleted already
     */
    async markDeleted(
      tenant: string,
      ids: string[],
    ): Promise<Array<Pick<Account, 'id' | 'email' | 'emailVerified'>>> {
      const last = await lastOperator(tenant, ids)
      return database.query(
        `with held as materialized (
           select id from accounts where tenant_id = $1 and id = any($2) and deleted_at is null
           order by id for no key update)
         update accounts a set deleted_at = $3, disabled_at = coalesce(disabled_at, $3), updated_at = $3, roles = '{}'
         from held where a.tenant_id = $1 and a.id = held.id
         returning a.id, a.email, a.email_verified as "emailVerified"`,
        [tenant, ids.filter((id) => id !== last), now()],
      )
    },

    async forget(tenant: string, ids: string[]): Promise<void> {
      // An address that nobody can own (RFC 2606 §2).
      await database.execute(
        `update accounts set email = id || '@deleted.invalid', email_key = id || '@deleted.invalid',
           email_verified = false, username = null, username_key = null, name = null, email_codes_since = null
         where tenant_id = $1 and id = any($2) and deleted_at is not null`,
        [tenant, ids],
      )
      for (const proofs of ['email_codes', 'action_tokens', 'passwords']) {
        const sql = `delete from ${proofs} where tenant_id = $1 and account_id = any($2)`
        await database.execute(sql, [tenant, ids])
      }
    },

    /** Locks the account until the transaction ends. */
    async lock(tenant: string, id: string): Promise<void> {
      await database.query(
        'select 1 from accounts where tenant_id = $1 and id = $2 for no key update',
        [tenant, id],
      )
    },

    /** Number of rows changed: 0 when the address is another one, or verified already. */
    verifyEmail(tenant: string, id: string, email: string): Promise<number> {
      return database.execute(
        `update accounts set email_verified = true, updated_at = $4
         where tenant_id = $1 and id = $2 and email = $3 and not email_verified`,
        [tenant, id, email, now()],
      )
    },

    /** @throws a unique violation on uq_accounts_email */
    changeEmail(tenant: string, id: string, from: string, to: string): Promise<number> {
      return database.execute(
        `update accounts set email = $4, email_key = $5, email_verified = true, updated_at = $6
         where tenant_id = $1 and id = $2 and email = $3`,
        [tenant, id, from, to, identifierKey(to), now()],
      )
    },

    /** @throws DomainError `last_operator` */
    async setDisabled(
      tenant: string,
      id: string,
      disabled: boolean,
      force = false,
    ): Promise<number> {
      if (disabled && !force && (await lastOperator(tenant, [id])) !== undefined) {
        throw new DomainError('last_operator')
      }
      return database.execute(
        `update accounts set disabled_at = $3, updated_at = $4
         where tenant_id = $1 and id = $2 and (disabled_at is not null) <> $5 and deleted_at is null`,
        [tenant, id, disabled ? now() : null, now(), disabled],
      )
    },

    async setPasswords(
      tenant: string,
      passwords: Array<StoredPassword & { accountId: string }>,
    ): Promise<void> {
      if (passwords.length === 0) return
      await database.execute(
        `insert into passwords (tenant_id, account_id, hash, one_time, expires_at, changed_at, short)
         select $1, account_id, hash, one_time, expires_at, $7::timestamptz, short
         from unnest($2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::boolean[])
           as p (account_id, hash, one_time, expires_at, short)
         on conflict (tenant_id, account_id) do update set hash = excluded.hash, one_time = excluded.one_time,
           expires_at = excluded.expires_at, changed_at = excluded.changed_at, short = excluded.short`,
        [
          tenant,
          passwords.map(({ accountId }) => accountId),
          passwords.map(({ hash }) => hash),
          passwords.map(({ oneTime }) => oneTime),
          passwords.map(({ expiresAt }) => (expiresAt === undefined ? null : new Date(expiresAt))),
          passwords.map(({ short }) => short),
          now(),
        ],
      )
    },

    async passwordHash(tenant: string, accountId: string): Promise<string | undefined> {
      const [row] = await database.query<{ hash: string }>(
        `select hash from passwords where tenant_id = $1 and account_id = $2`,
        [tenant, accountId],
      )
      return row?.hash
    },

    /** Replaces the password only if it is still the one that was verified. @returns whether it was */
    async replacePassword(
      tenant: string,
      accountId: string,
      old: string,
      fresh: Chosen,
    ): Promise<boolean> {
      const changed = await database.execute(
        `update passwords set hash = $4, one_time = false, expires_at = null, changed_at = $5, short = $6
         where tenant_id = $1 and account_id = $2 and hash = $3`,
        [tenant, accountId, old, fresh.hash, now(), fresh.short],
      )
      return changed === 1
    },

    /** Stores the same password under a new hash; the time of its last change stays. */
    async renewHash(tenant: string, accountId: string, old: string, fresh: string): Promise<void> {
      await database.execute(
        'update passwords set hash = $4 where tenant_id = $1 and account_id = $2 and hash = $3',
        [tenant, accountId, old, fresh],
      )
    },
  }
}
