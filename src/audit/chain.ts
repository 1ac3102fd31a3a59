import { createHmac } from 'node:crypto'
import type { SharedSecrets } from '../secrets/shared-secrets.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/**
 * The chain of a tenant. Each sealed event has a position, gapless from 1, and a seal: the HMAC-SHA-256 of the previous
 * seal, its position and all its columns. The key is stored only sealed in the database: an attacker who can write to
 * the database but lacks the key-encryption key cannot compute a seal.
 */

/** The end of each chain. */
export const AuditHeadsTable = table('audit_heads', {
  key: ['tenant_id'],
  columns: {
    tenant_id: column.text,
    position: column.long,
    seal: column.text,
    sealed_at: column.time,
    mac: column.text,
  },
  references: { tenant: ofTenant },
})

/** Ranges of positions whose events were deleted after their retention time. */
export const AuditGapsTable = table('audit_gaps', {
  key: ['tenant_id', 'first'],
  columns: {
    tenant_id: column.text,
    first: column.long,
    last: column.long,
    before: column.text,
    seal: column.text,
    removed_at: column.time,
    mac: column.text,
  },
  references: { tenant: ofTenant },
  unique: { last: ['tenant_id', 'last'] },
  check: ['order'],
})

export interface Head {
  position: number
  /** Empty when the chain has no event yet. */
  seal: string
}

/** Positions `first` to `last`; `before` is the seal ahead of the range, `seal` that of its last event. */
export interface Gap {
  first: number
  last: number
  before: string
  seal: string
}

const exactly = (time: string) =>
  `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/** Every column that a seal covers, exactly as Postgres has it; a test proves that none is missing. */
const sealed: Record<string, string> = {
  id: 'id',
  at: exactly('at'),
  type: 'type',
  outcome: 'outcome',
  actor_kind: 'actor_kind',
  actor_id: 'actor_id',
  actor_role: 'actor_role',
  account_id: 'account_id',
  client_id: 'client_id',
  family_id: 'family_id',
  ip: 'ip',
  user_agent: 'user_agent',
  request_id: 'request_id',
  detail: 'detail::text',
  open_until: exactly('open_until'),
}

export const sealedMembers = Object.keys(sealed)

/** The columns of a `SealableRow`. */
export const sealableColumns = Object.entries(sealed)
  .map(([name, sql]) => (sql === name ? name : `${sql} as ${name}`))
  .join(', ')

export type SealableRow = Record<string, string | null>

export interface Chain {
  sealOf(before: string, position: number, row: SealableRow): string
  macOfHead(head: Head): string
  macOfGap(gap: Gap): string
}

/** @param key of the tenant */
function createChain(tenant: string, key: Buffer): Chain {
  const mac = (...parts: unknown[]) =>
    createHmac('sha256', key)
      .update(JSON.stringify([...parts, tenant]))
      .digest('base64url')
  return {
    sealOf: (before, position, row) =>
      mac(
        'event',
        before,
        position,
        // Null members are left out: columns added by a later version are null in older rows and must not change their
        // seals.
        sealedMembers.flatMap((name) => (row[name] == null ? [] : [[name, row[name]]])),
      ),
    macOfHead: ({ position, seal }) => mac('head', position, seal),
    macOfGap: ({ first, last, before, seal }) => mac('gap', first, last, before, seal),
  }
}

export type Chains = (tenant: string) => Promise<Chain>

/** The chain of each tenant; the key stays the same when the key-encryption key is rotated. */
export function createChains(sharedSecrets: SharedSecrets): Chains {
  const known = new Map<string, Promise<Chain>>()
  return (tenant) => {
    const found = known.get(tenant)
    if (found) return found
    const chain = sharedSecrets.get(tenant, 'audit').then((key) => createChain(tenant, key))
    known.set(tenant, chain)
    chain.catch(() => known.delete(tenant))
    return chain
  }
}
