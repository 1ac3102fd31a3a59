import { type AccountRow, accountColumns, toAccount } from '../accounts/account.store.ts'
import { type GrantRow, grantColumns, toGrant } from '../grants/grants.ts'
import { present } from '../present.ts'
import type { StoredRefreshToken } from './family.ts'
import type { Presenter } from './replay.ts'

/** A refresh token as Postgres has it. */
export interface TokenRow {
  family_id: string
  payload: Record<string, unknown>
  consumed_at: Date | null
  consumer_ip: string | null
  consumer_user_agent: string | null
  answer: string | null
  successor_consumed_at: Date | null
  successor_expires_at: Date | null
}

/** A token whose family is locked, with the account and grant that a refresh needs, so that one statement is enough. */
export type HeldRow = TokenRow & AccountRow & (GrantRow | { grant_id: null })

export const held = {
  columns: `, ${grantColumns}, ${accountColumns}`,
  tables: `
    join accounts a on a.tenant_id = f.tenant_id and a.id = f.account_id
    left join grants g on g.tenant_id = f.tenant_id and g.id = f.grant_id and g.revoked_at is null`,
  lock: 'for update of f, t',
}

export function toHeld(tenant: string, row: HeldRow): StoredRefreshToken {
  const grant = row.grant_id === null ? {} : { grant: toGrant(tenant, row) }
  return { ...toStored(row), ...grant, account: toAccount(row) }
}

export function toStored(row: TokenRow): StoredRefreshToken {
  const stored: StoredRefreshToken = { familyId: row.family_id, payload: row.payload }
  if (row.consumed_at) {
    stored.consumed = {
      at: row.consumed_at.getTime(),
      by: presenter(row.consumer_ip, row.consumer_user_agent),
      ...present({
        answer: row.answer,
        successorConsumedAt: row.successor_consumed_at?.getTime(),
        successorExpiresAt: row.successor_expires_at?.getTime(),
      }),
    }
  }
  return stored
}

export function presenter(ip: string | null, userAgent: string | null): Presenter {
  return present({ ip, userAgent })
}
