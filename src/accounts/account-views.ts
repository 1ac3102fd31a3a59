import { present } from '../present.ts'
import { asciiLowerCase } from '../storage/ascii.ts'
import { countRows } from '../storage/count.ts'
import type { Database } from '../storage/database.ts'
import { pageStepwise, type SteppedPage } from '../storage/stepwise.ts'
import { identifierKey } from './account.ts'

/** An account as operators see it; times in milliseconds since the epoch. */
export interface AccountView {
  id: string
  email: string
  emailVerified: boolean
  username?: string
  name?: string
  disabled: boolean
  /** `one_time`: its owner must choose another at the next sign-in. */
  password: 'none' | 'one_time' | 'chosen'
  createdAt: number
  updatedAt: number
}

/** Which accounts to show. */
export interface AccountFilter {
  /**
   * Part of the e-mail address or user name, case-insensitive, or of the name, where only ASCII letters are
   * case-insensitive.
   */
  text?: string | undefined
  disabled?: boolean | undefined
}

interface Row {
  id: string
  email: string
  email_verified: boolean
  username: string | null
  name: string | null
  disabled: boolean
  one_time: boolean | null
  created_at: Date
  updated_at: Date
}

const selectViews = `
  select a.id, a.email, a.email_verified, a.username, a.name, a.disabled_at is not null as disabled, a.created_at,
    a.updated_at, p.one_time
  from accounts a left join passwords p on p.tenant_id = a.tenant_id and p.account_id = a.id
  where a.tenant_id = $1 and a.deleted_at is null`

/** Queries for accounts as operators see them, including disabled ones; queries for sign-in are in account.store.ts. */
export function createAccountViews({ database }: { database: Database }) {
  return {
    count: (tenant: string) =>
      countRows(database, { table: 'accounts', order: 'id', where: 'deleted_at is null' }, [
        tenant,
      ]),

    async view(tenant: string, id: string): Promise<AccountView | undefined> {
      const [row] = await database.query<Row>(`${selectViews} and a.id = $2`, [tenant, id])
      return row && toView(row)
    },

    /** By id. @param page `after`: the last id of the previous page */
    async page(
      tenant: string,
      { text, disabled }: AccountFilter,
      page: { after?: string | undefined; limit: number },
    ): Promise<SteppedPage<AccountView>> {
      // Only conditions that are set: a generic plan with optional ones might not start at the key.
      const rowsIn = (after: string | undefined, upTo: string | undefined, limit: number) =>
        database.query<Row>(
          `${selectViews} and a.id > $2 ${upTo === undefined ? '' : 'and a.id <= $7'}
           and ($3::text is null or position($3 in a.email_key) > 0 or position($3 in a.username_key) > 0
             or position($5 in lower(a.name collate "C")) > 0)
           and ($4::boolean is null or (a.disabled_at is not null) = $4)
         order by a.id limit $6`,
          [
            tenant,
            after ?? '',
            text === undefined ? null : identifierKey(text),
            disabled ?? null,
            text === undefined ? null : asciiLowerCase(text),
            limit,
            ...(upTo === undefined ? [] : [upTo]),
          ],
        )
      async function endOf(after: string | undefined, rows: number): Promise<string | undefined> {
        // A filter by flag alone is cheap.
        if (text === undefined) return undefined
        const [end] = await database.query<{ id: string }>(
          `select id from accounts where tenant_id = $1 and id > $2 order by id offset $3 limit 1`,
          [tenant, after ?? '', rows - 1],
        )
        return end?.id
      }
      const { rows, ...stopped } = await pageStepwise(page, endOf, rowsIn)
      return { rows: rows.map(toView), ...stopped }
    },
  }
}

export type AccountViews = ReturnType<typeof createAccountViews>

const toView = (row: Row): AccountView => ({
  id: row.id,
  email: row.email,
  emailVerified: row.email_verified,
  ...present({ username: row.username, name: row.name }),
  disabled: row.disabled,
  password: row.one_time === null ? 'none' : row.one_time ? 'one_time' : 'chosen',
  createdAt: row.created_at.getTime(),
  updatedAt: row.updated_at.getTime(),
})
