import type { Database } from '../storage/database.ts'
import type { CheckName } from './checks.ts'
import type { Refusal } from './refusal.ts'

/** A filter for refusals; absent members match all. Times in milliseconds since the epoch. */
export interface RefusalFilter {
  id?: string | undefined
  /** Only these tenants. */
  tenants?: readonly string[] | undefined
  clientId?: string | undefined
  accountId?: string | undefined
  check?: string | undefined
  error?: string | undefined
  endpoint?: string | undefined
  /** Inclusive. */
  since?: number | undefined
  /** Exclusive. */
  until?: number | undefined
}

export interface RefusalPage {
  /** Where the previous page ended. */
  after?: { at: number; id: string } | undefined
  limit: number
}

interface Row {
  tenant_id: string
  id: string
  at: Date
  endpoint: string
  failed_check: CheckName
  error: string
  client_id: string | null
  account_id: string | null
  ip: string | null
  reason: string | null
  expected: string | null
  received: string | null
}

const columns = `tenant_id, id, at, endpoint, failed_check, error, client_id, account_id, ip, reason, expected,
  received`

/** Refusals, newest first. The statement has only the requested conditions: each has its index. */
export async function listRefusals(
  database: Database,
  { id, tenants, clientId, accountId, check, error, endpoint, since, until }: RefusalFilter,
  { after, limit }: RefusalPage,
): Promise<Refusal[]> {
  const parameters: unknown[] = []
  const given = (value: unknown) => `$${parameters.push(value)}`
  const conditions = ['true']
  if (id !== undefined) conditions.push(`id = ${given(id)}`)
  if (tenants?.length === 1) conditions.push(`tenant_id = ${given(tenants[0])}`)
  else if (tenants) conditions.push(`tenant_id = any(${given(tenants)})`)
  if (clientId !== undefined) conditions.push(`client_id = ${given(clientId)}`)
  if (accountId !== undefined) conditions.push(`account_id = ${given(accountId)}`)
  if (check !== undefined) conditions.push(`failed_check = ${given(check)}`)
  if (error !== undefined) conditions.push(`error = ${given(error)}`)
  if (endpoint !== undefined) conditions.push(`endpoint = ${given(endpoint)}`)
  if (since !== undefined) conditions.push(`at >= ${given(new Date(since))}`)
  if (until !== undefined) conditions.push(`at < ${given(new Date(until))}`)
  if (after) conditions.push(`(at, id) < (${given(new Date(after.at))}, ${given(after.id)}::text)`)
  const rows = await database.query<Row>(
    `select ${columns} from refusals where ${conditions.join(' and ')} order by at desc, id desc limit ${given(limit)}`,
    parameters,
  )
  return rows.map(refusalOf)
}

function refusalOf(row: Row): Refusal {
  const { tenant_id: tenant, id, at, endpoint, failed_check: check, error } = row
  return {
    tenant,
    id,
    at: at.getTime(),
    endpoint,
    check,
    error,
    clientId: row.client_id ?? undefined,
    accountId: row.account_id ?? undefined,
    ip: row.ip ?? undefined,
    reason: row.reason ?? undefined,
    expected: row.expected ?? undefined,
    received: row.received ?? undefined,
  }
}
