import { type AccountRow, accountColumns, toAccount } from '../accounts/account.store.ts'
import type { Account } from '../accounts/account.ts'
import type { Clock } from '../clock.ts'
import { mostRows, untilFew } from '../storage/chunks.ts'
import { type Count, countRows } from '../storage/count.ts'
import type { Database } from '../storage/database.ts'
import { sweepBatch, sweepTable } from '../storage/sweep.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { Grant, ListedGrant } from './grant.ts'

export interface Grants {
  /** A live grant. */
  find(tenant: string, id: string): Promise<Grant | undefined>
  /** Grants that live, at most 1000, the newest first. @param page where an earlier page ended, and how many */
  list(tenant: string, which: GrantFilter, page?: GrantPage): Promise<ListedGrant[]>
  /** Counts the live grants. */
  count(tenant: string): Promise<Count>
  /** The clients that an account ever allowed something at one of these resource servers, as far as is kept. */
  clientsFor(tenant: string, accountId: string, audiences: string[]): Promise<string[]>
  /** An account, active or not, and its live grant to a client; undefined where there is no account. */
  withOwner(
    tenant: string,
    accountId: string,
    clientId: string,
  ): Promise<{ account: Account; grant: Grant | undefined } | undefined>
  /** The id of the live grant of an account to a client. @param lock for callers that write what depends on it */
  between(
    tenant: string,
    accountId: string,
    clientId: string,
    lock?: 'for update',
  ): Promise<string | undefined>
  /**
   * Stores a grant, new or widened. A grant that was revoked concurrently stays revoked.
   * @throws a unique violation on `uq_grants_live` when the account has another live grant to the client
   */
  save(grant: Omit<Grant, 'createdAt'>): Promise<void>
  /** Revokes the live grants that match. @returns their ids */
  revoke(
    tenant: string,
    which: { accountIds?: string[]; clientIds?: string[] },
    reason: string,
  ): Promise<string[]>
  /** Locks all grants to clients, live or not, until the transaction ends. */
  lock(tenant: string, clientIds: string[]): Promise<void>
  /** Deletes all grants to clients, in batches. The clients are disabled, their families deleted. */
  forget(tenant: string, clientIds: string[]): Promise<void>
  /** Deletes revoked grants past their retention. @returns how many */
  sweep(): Promise<number>
}

export interface GrantFilter {
  id?: string | undefined
  accountId?: string | undefined
  clientId?: string | undefined
}

interface GrantPage {
  after?: { createdAt: number; id: string } | undefined
  limit: number
}

export const GrantsTable = table('grants', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    account_id: column.text,
    client_id: column.text,
    payload: column.json,
    created_at: column.time,
    updated_at: column.time,
    revoked_at: nullable(column.time),
    revoked_reason: nullable(column.text),
  },
  references: {
    account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']],
    client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
  },
  index: {
    live: {
      columns: ['tenant_id', 'account_id', 'client_id'],
      unique: true,
      where: 'revoked_at is null',
    },
    account: ['tenant_id', 'account_id'],
    client: ['tenant_id', 'client_id'],
    created: ['tenant_id', 'created_at', 'id'],
    revoked: { columns: ['revoked_at'], where: 'revoked_at is not null' },
  },
})

/** The constraint that `save` violates when a person consents twice at the same moment. */
export const liveGrantKey = 'uq_grants_live'

/** Milliseconds that a grant is kept after it was revoked; its families go with it. */
const historyKept = 30 * 24 * 3600 * 1000

export interface GrantRow {
  grant_id: string
  grant_account: string
  grant_client: string
  grant_payload: Record<string, unknown>
  granted_at: Date
}

/** Columns of `grants g`. */
export const grantColumns = `g.id as grant_id, g.account_id as grant_account, g.client_id as grant_client,
  g.payload as grant_payload, g.created_at as granted_at`

export function toGrant(tenant: string, row: GrantRow): Grant {
  return {
    tenant,
    id: row.grant_id,
    accountId: row.grant_account,
    clientId: row.grant_client,
    allowed: row.grant_payload,
    createdAt: Math.floor(row.granted_at.getTime() / 1000),
  }
}

/** The row of a grant that may be missing. */
export type JoinedGrant = GrantRow | { grant_id: null }

/** Joins the live grant of an account to a client as `g`; each parameter is an SQL expression. */
export const liveGrantOf = (tenant: string, accountId: string, clientId: string) =>
  `left join grants g on g.tenant_id = ${tenant} and g.account_id = ${accountId} and g.client_id = ${clientId}
     and g.revoked_at is null`

export function joinedGrant(tenant: string, row: JoinedGrant): Grant | undefined {
  return row.grant_id === null ? undefined : toGrant(tenant, row)
}

/** The content of a grant, in the engine's shape. */
interface Allowed {
  openid?: { scope?: string; claims?: string[] }
  resources?: Record<string, string>
}

const words = (scope = '') => scope.split(' ').filter((word) => word !== '')

/** Not computed in SQL: Postgres overestimates the cost so much that it would rather read all grants. */
const scopesIn = ({ openid, resources = {} }: Allowed): string[] =>
  [...new Set([openid?.scope, ...Object.values(resources)].flatMap(words))].toSorted()

export function createGrants({ database, clock }: { database: Database; clock: Clock }): Grants {
  return {
    async find(tenant, id) {
      const [row] = await database.query<GrantRow>(
        `select ${grantColumns} from grants g where g.tenant_id = $1 and g.id = $2 and g.revoked_at is null`,
        [tenant, id],
      )
      return row && toGrant(tenant, row)
    },
    async list(tenant, { id, accountId, clientId }, { after, limit } = { limit: 1000 }) {
      const rows = await database.query<{
        id: string
        account_id: string
        client_id: string
        payload: Allowed
        created_at: Date
        updated_at: Date
      }>(
        `select id, account_id, client_id, payload, created_at, updated_at from grants
         where tenant_id = $1 and revoked_at is null
           and ($2::text is null or account_id = $2) and ($3::text is null or client_id = $3)
           and ($4::text is null or id = $4)
           and ($5::timestamptz is null or (created_at, id) < ($5, $6))
         order by created_at desc, id desc limit $7`,
        [
          tenant,
          accountId ?? null,
          clientId ?? null,
          id ?? null,
          after === undefined ? null : new Date(after.createdAt),
          after?.id ?? null,
          limit,
        ],
      )
      return rows.map((row) => ({
        id: row.id,
        accountId: row.account_id,
        clientId: row.client_id,
        scopes: scopesIn(row.payload),
        openidScopes: words(row.payload.openid?.scope),
        openidClaims: row.payload.openid?.claims ?? [],
        resources: Object.fromEntries(
          Object.entries(row.payload.resources ?? {}).map(([resource, scope]) => [
            resource,
            words(scope),
          ]),
        ),
        createdAt: row.created_at.getTime(),
        updatedAt: row.updated_at.getTime(),
      }))
    },
    count: (tenant) =>
      countRows(
        database,
        { table: 'grants', order: 'account_id, client_id', within: 'revoked_at is null' },
        [tenant],
      ),
    async clientsFor(tenant, accountId, audiences) {
      const rows = await database.query<{ client_id: string }>(
        `select distinct client_id from grants
         where tenant_id = $1 and account_id = $2 and payload->'resources' ?| $3 order by client_id`,
        [tenant, accountId, audiences],
      )
      return rows.map(({ client_id }) => client_id)
    },
    async between(tenant, accountId, clientId, lock) {
      const [row] = await database.query<{ id: string }>(
        `select id from grants
         where tenant_id = $1 and account_id = $2 and client_id = $3 and revoked_at is null ${lock ?? ''}`,
        [tenant, accountId, clientId],
      )
      return row?.id
    },
    async withOwner(tenant, accountId, clientId) {
      const [row] = await database.query<AccountRow & JoinedGrant>(
        `select ${accountColumns}, ${grantColumns} from accounts a ${liveGrantOf('a.tenant_id', 'a.id', '$3')}
         where a.tenant_id = $1 and a.id = $2`,
        [tenant, accountId, clientId],
      )
      return row && { account: toAccount(row), grant: joinedGrant(tenant, row) }
    },
    async save({ tenant, id, accountId, clientId, allowed }) {
      await database.execute(
        `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict (tenant_id, id) do update set payload = excluded.payload, updated_at = excluded.updated_at
         where grants.revoked_at is null`,
        [tenant, id, accountId, clientId, JSON.stringify(allowed), new Date(clock.now())],
      )
    },
    async lock(tenant, clientIds) {
      await database.query(
        `select count(*) from (
           select 1 from grants where tenant_id = $1 and client_id = any($2) order by id for update) held`,
        [tenant, clientIds],
      )
    },
    async forget(tenant, clientIds) {
      const some = () =>
        database.execute(
          `delete from grants where tenant_id = $1 and id = any(array(
             select id from grants where tenant_id = $1 and client_id = any($2) limit ${sweepBatch}))`,
          [tenant, clientIds],
        )
      while ((await some()) > 0);
    },
    sweep: () => sweepTable(database, GrantsTable, 'revoked_at < $1', clock.now() - historyKept),
    async revoke(tenant, { accountIds, clientIds }, reason) {
      const now = new Date(clock.now())
      const rows = await untilFew(() =>
        database.query<{ id: string }>(
          `update grants set revoked_at = $4, revoked_reason = $5
           where tenant_id = $1 and id = any(array(
             select id from grants
             where tenant_id = $1 and revoked_at is null
               and ($2::text[] is null or account_id = any($2)) and ($3::text[] is null or client_id = any($3))
             limit ${mostRows} for no key update))
           returning id`,
          [tenant, accountIds ?? null, clientIds ?? null, now, reason],
        ),
      )
      return rows.map((row) => row.id)
    },
  }
}
