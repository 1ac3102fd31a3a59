import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, table } from '../storage/table.ts'

/**
 * Pending backchannel authentication requests (OpenID CIBA Core 1.0), and which decision came first. The content of a
 * request is in the short-lived store and may vanish; then it can no longer be decided.
 */
export interface BackchannelRequests {
  /** @returns false when too many requests are pending for this account, from this client or from all */
  add(request: Waiting): Promise<boolean>
  /** An unexpired request. */
  find(tenant: string, id: string): Promise<BackchannelRequest | undefined>
  /** The pending requests of an account, oldest first. */
  waiting(tenant: string, accountId: string): Promise<BackchannelRequest[]>
  /**
   * Records a decision; joins a transaction.
   * @param decision identifies the decision
   * @returns false when another decision came first, or the request expired
   */
  decide(tenant: string, id: string, decision: string): Promise<boolean>
  /** Deletes expired requests, in batches. @returns how many */
  sweep(): Promise<number>
}

interface Waiting {
  tenant: string
  /** The SHA-256 of the `auth_req_id`. */
  id: string
  accountId: string
  clientId: string
  /** Milliseconds since the epoch, as all times here. */
  createdAt: number
  expiresAt: number
}

export interface BackchannelRequest extends Waiting {
  /** Whether the account has been able to sign in ever since: it was neither disabled nor signed out everywhere. */
  stands: boolean
  decidedAt?: number
  decision?: string
}

/** Most pending requests per account: of one client, and in total. */
const mostOfClient = 3
const mostOfAccount = 10

/** Most retries when concurrent requests conflict. */
const mostTries = 20

export const BackchannelRequestsTable = table('backchannel_requests', {
  key: ['tenant_id', 'id'],
  columns: {
    tenant_id: column.text,
    id: column.text,
    account_id: column.text,
    client_id: column.text,
    account_slot: column.count,
    client_slot: column.count,
    created_at: column.time,
    expires_at: column.time,
    decided_at: nullable(column.time),
    decision: nullable(column.text),
  },
  references: {
    account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']],
    client: ['clients', ['tenant_id', 'client_id'], ['tenant_id', 'client_id']],
  },
  index: {
    of_account: {
      columns: ['tenant_id', 'account_id', 'account_slot'],
      unique: true,
      where: 'decided_at is null',
    },
    of_client: {
      columns: ['tenant_id', 'account_id', 'client_id', 'client_slot'],
      unique: true,
      where: 'decided_at is null',
    },
    client: ['tenant_id', 'client_id'],
    expires: ['expires_at'],
  },
})

interface Row {
  id: string
  account_id: string
  client_id: string
  created_at: Date
  expires_at: Date
  decided_at: Date | null
  decision: string | null
  stands: boolean
}

const columns = `r.id, r.account_id, r.client_id, r.created_at, r.expires_at, r.decided_at, r.decision,
  a.disabled_at is null and (a.sign_ins_not_before is null or a.sign_ins_not_before < r.created_at) as stands`
const source = `backchannel_requests r join accounts a on a.tenant_id = r.tenant_id and a.id = r.account_id`

export function createBackchannelRequests({
  database,
  clock,
}: Pick<Platform, 'database' | 'clock'>): BackchannelRequests {
  const now = () => new Date(clock.now())

  /** Inserts with a free slot of both kinds; the unique indexes decide between concurrent requests for the same one. */
  async function insert({ tenant, id, accountId, clientId, createdAt, expiresAt }: Waiting) {
    const waiting = 'tenant_id = $1 and account_id = $3 and decided_at is null'
    const inserted = await database.execute(
      `insert into backchannel_requests
         (tenant_id, id, account_id, client_id, account_slot, client_slot, created_at, expires_at)
       select $1, $2, $3, $4, of_account.slot, of_client.slot, $5, $6 from
         (select slot from generate_series(1, ${mostOfAccount}) slot where slot not in
           (select account_slot from backchannel_requests where ${waiting}) order by slot limit 1) of_account,
         (select slot from generate_series(1, ${mostOfClient}) slot where slot not in
           (select client_slot from backchannel_requests where ${waiting} and client_id = $4)
           order by slot limit 1) of_client
       on conflict do nothing`,
      [tenant, id, accountId, clientId, new Date(createdAt), new Date(expiresAt)],
    )
    return inserted === 1
  }

  async function isFull({ tenant, accountId, clientId }: Waiting): Promise<boolean> {
    const [row] = await database.query<{ all: number; own: number }>(
      `select count(*)::int as all, (count(*) filter (where client_id = $3))::int as own
       from backchannel_requests where tenant_id = $1 and account_id = $2 and decided_at is null`,
      [tenant, accountId, clientId],
    )
    return (row?.all ?? 0) >= mostOfAccount || (row?.own ?? 0) >= mostOfClient
  }

  return {
    async add(request) {
      await database.execute(
        `delete from backchannel_requests
         where tenant_id = $1 and account_id = $2 and decided_at is null and expires_at <= $3`,
        [request.tenant, request.accountId, now()],
      )
      for (let tries = 0; tries < mostTries; tries += 1) {
        if (await insert(request)) return true
        if (await isFull(request)) return false
      }
      return false
    },
    async find(tenant, id) {
      const [row] = await database.query<Row>(
        `select ${columns} from ${source} where r.tenant_id = $1 and r.id = $2 and r.expires_at > $3`,
        [tenant, id, now()],
      )
      return row && toRequest(tenant, row)
    },
    async waiting(tenant, accountId) {
      const rows = await database.query<Row>(
        `select ${columns} from ${source}
         where r.tenant_id = $1 and r.account_id = $2 and r.decided_at is null and r.expires_at > $3
         order by r.created_at, r.id`,
        [tenant, accountId, now()],
      )
      return rows.map((row) => toRequest(tenant, row))
    },
    async decide(tenant, id, decision) {
      const decided = await database.execute(
        `update backchannel_requests set decided_at = $3, decision = $4
         where tenant_id = $1 and id = $2 and decided_at is null and expires_at > $3`,
        [tenant, id, now(), decision],
      )
      return decided === 1
    },
    sweep: () => sweepTable(database, BackchannelRequestsTable, 'expires_at <= $1', clock.now()),
  }
}

function toRequest(tenant: string, row: Row): BackchannelRequest {
  return {
    tenant,
    id: row.id,
    accountId: row.account_id,
    clientId: row.client_id,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    stands: row.stands,
    ...(row.decided_at ? { decidedAt: row.decided_at.getTime() } : {}),
    ...present({ decision: row.decision }),
  }
}
