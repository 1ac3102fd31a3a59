import type { Database } from '../storage/database.ts'
import { type AccountRow, accountColumns, toAccount } from './account.store.ts'
import { type Account, identifierKey } from './account.ts'

/** Queries for several accounts at once, for commands; never all of a tenant. */
export function createAccountLists({ database }: { database: Database }) {
  return {
    /** By normalised e-mail address. @param after the last address of the previous page */
    async page(
      tenant: string,
      { after, limit }: { after?: string | undefined; limit: number },
    ): Promise<Account[]> {
      const rows = await database.query<AccountRow>(
        `select ${accountColumns} from accounts a
         where a.tenant_id = $1 and a.deleted_at is null and a.email_key > $2
         order by a.email_key limit $3`,
        [tenant, after === undefined ? '' : identifierKey(after), limit],
      )
      return rows.map(toAccount)
    },

    /** The accounts with these e-mail addresses. */
    async named(tenant: string, emails: readonly string[]): Promise<Account[]> {
      const rows = await database.query<AccountRow>(
        `select ${accountColumns} from accounts a
         where a.tenant_id = $1 and a.deleted_at is null and a.email_key = any($2) order by a.email_key`,
        [tenant, emails.map(identifierKey)],
      )
      return rows.map(toAccount)
    },

    /** Normalised addresses of those accounts that have a password. */
    async withPassword(tenant: string, emails: readonly string[]): Promise<Set<string>> {
      if (emails.length === 0) return new Set()
      const rows = await database.query<{ email_key: string }>(
        `select a.email_key from accounts a
         join passwords p on p.tenant_id = a.tenant_id and p.account_id = a.id
         where a.tenant_id = $1 and a.deleted_at is null and a.email_key = any($2)`,
        [tenant, emails.map(identifierKey)],
      )
      return new Set(rows.map(({ email_key: key }) => key))
    },

    /** E-mail addresses by account id; without deleted accounts. */
    async emails(tenant: string, ids: readonly string[]): Promise<Map<string, string>> {
      const rows = await database.query<{ id: string; email: string }>(
        'select id, email from accounts where tenant_id = $1 and id = any($2) and deleted_at is null',
        [tenant, [...new Set(ids)]],
      )
      return new Map(rows.map(({ id, email }) => [id, email]))
    },

    /** The operators that are not disabled. */
    async operators(tenant: string): Promise<Account[]> {
      const rows = await database.query<AccountRow>(
        `select ${accountColumns} from accounts a
         where a.tenant_id = $1 and a.deleted_at is null and a.disabled_at is null and 'operator' = any(a.roles)
         order by a.email_key`,
        [tenant],
      )
      return rows.map(toAccount)
    },
  }
}

export type AccountLists = ReturnType<typeof createAccountLists>
