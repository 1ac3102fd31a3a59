import type { Database } from '../storage/database.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import { type AdminRole, type Assignment, everywhere, type Subject } from './role.ts'

export const RoleAssignmentsTable = table('role_assignments', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    account_id: nullable(column.text),
    client_id: nullable(column.text),
    role: column.text,
    reach: column.text,
    created_at: column.time,
  },
  references: {
    tenant: ofTenant,
    account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']],
    client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
  },
  unique: {
    account: ['tenant_id', 'account_id', 'role', 'reach'],
    client: ['tenant_id', 'client_id', 'role', 'reach'],
  },
  check: ['subject'],
})

interface Row {
  id: string
  account_id: string | null
  client_id: string | null
  role: AdminRole
  reach: string
  created_at: Date
}

const columns = 'r.id, r.account_id, r.client_id, r.role, r.reach, r.created_at'

const toAssignment = (row: Row): Assignment => ({
  id: row.id,
  subject:
    row.account_id === null ? { clientId: row.client_id as string } : { accountId: row.account_id },
  role: row.role,
  reach: row.reach,
  createdAt: row.created_at.getTime(),
})

/** The columns of a subject: exactly one is not null. */
const idsOf = (subject: Subject): [accountId: string | null, clientId: string | null] =>
  'accountId' in subject ? [subject.accountId, null] : [null, subject.clientId]

/** SQL: assignments whose subject is active. */
const active = `role_assignments r
  left join accounts a on a.tenant_id = r.tenant_id and a.id = r.account_id
  left join clients c on c.tenant_id = r.tenant_id and c.client_id = r.client_id
  where r.tenant_id = $1 and coalesce(a.disabled_at, c.disabled_at) is null`

/** @param tenant the tenant of the subjects */
export function createRoleStore({ database }: { database: Database }, tenant: string) {
  return {
    async of(subject: Subject): Promise<Assignment[]> {
      const rows = await database.query<Row>(
        `select ${columns} from role_assignments r
         where r.tenant_id = $1 and (r.account_id = $2 or r.client_id = $3) order by r.id`,
        [tenant, ...idsOf(subject)],
      )
      return rows.map(toAssignment)
    },

    async find(id: string): Promise<Assignment | undefined> {
      const [row] = await database.query<Row>(
        `select ${columns} from role_assignments r where r.tenant_id = $1 and r.id = $2`,
        [tenant, id],
      )
      return row && toAssignment(row)
    },

    /** By id. */
    async page(
      after: string | undefined,
      { reaches, limit }: { reaches?: string[] | undefined; limit: number },
    ): Promise<Assignment[]> {
      const rows = await database.query<Row>(
        `select ${columns} from role_assignments r
         where r.tenant_id = $1 and ($2::text is null or r.id > $2)
           and ($3::text[] is null or r.reach = any($3)) order by r.id limit $4`,
        [tenant, after ?? null, reaches ?? null, limit],
      )
      return rows.map(toAssignment)
    },

    /**
     * Rows written: 0 when the subject has the role already.
     * @throws a foreign key violation for an unknown client, a check violation for an unknown or deleted account
     */
    insert({ id, subject, role, reach, createdAt }: Assignment): Promise<number> {
      return database.execute(
        `insert into role_assignments (tenant_id, id, account_id, client_id, role, reach, created_at)
         values ($1, $2,
           (select id from accounts where tenant_id = $1 and id = $3 and deleted_at is null for share),
           $4, $5, $6, $7)
         on conflict do nothing`,
        [tenant, id, ...idsOf(subject), role, reach, new Date(createdAt)],
      )
    },

    delete(id: string): Promise<number> {
      return database.execute(`delete from role_assignments where tenant_id = $1 and id = $2`, [
        tenant,
        id,
      ])
    },

    forget(accountIds: string[]): Promise<number> {
      return database.execute(
        'delete from role_assignments where tenant_id = $1 and account_id = any($2)',
        [tenant, accountIds],
      )
    },

    /**
     * Active owners with global reach. Locked in one order, so that of two concurrent removals the second sees the
     * first.
     */
    async lockOwners(): Promise<Assignment[]> {
      // A second statement reads the owners: the first has a snapshot from before it waited for the lock.
      await database.query(
        `select 1 from role_assignments
         where tenant_id = $1 and role = 'owner' and reach = $2 order by id for update`,
        [tenant, everywhere],
      )
      const rows = await database.query<Row>(
        `select ${columns} from ${active} and r.role = 'owner' and r.reach = $2 order by r.id`,
        [tenant, everywhere],
      )
      return rows.map(toAssignment)
    },

    /** Serialises bootstraps, until the transaction ends. */
    async lockBootstrap(): Promise<void> {
      await database.query(`select pg_advisory_xact_lock(hashtextextended('keyturn bootstrap', 0))`)
    },
  }
}
