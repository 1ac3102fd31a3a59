import type { Platform } from '../platform.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/**
 * Things that count once: authorization codes, device codes, pushed requests, the `jti` of assertions and proofs.
 * The primary key decides who was first, on any node (security class C26).
 */
export interface SingleUse {
  /**
   * Claims a key. The claim is rolled back with the surrounding transaction, unless `always`.
   * @param expiresAt milliseconds since the epoch; at least as long as the thing could be presented
   * @param always whether the claim stays when the request is refused
   * @returns true only for the first caller; a second one waits for the first one's transaction
   */
  spend(key: SingleUseKey, expiresAt: number, always?: boolean): Promise<boolean>
  /** When it was spent, in milliseconds, or undefined. */
  spentAt(key: SingleUseKey): Promise<number | undefined>
  /** Deletes claims that have expired, in batches. @returns how many */
  sweep(): Promise<number>
}

export interface SingleUseKey {
  tenant: string
  /** One kind can never be spent as another (security class C3). */
  kind: string
  key: string
}

export const SingleUseTable = table('single_use', {
  key: ['tenant_id', 'kind', 'key'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    key: column.text,
    spent_at: column.time,
    expires_at: column.time,
  },
  references: { tenant: ofTenant },
  index: { expires: ['expires_at'] },
})

export function createSingleUse({
  database,
  clock,
}: Pick<Platform, 'database' | 'clock'>): SingleUse {
  async function insert({ tenant, kind, key }: SingleUseKey, expiresAt: number): Promise<boolean> {
    const inserted = await database.execute(
      `insert into single_use (tenant_id, kind, key, spent_at, expires_at) values ($1, $2, $3, $4, $5)
       on conflict do nothing`,
      [tenant, kind, key, new Date(clock.now()), new Date(expiresAt)],
    )
    return inserted === 1
  }

  return {
    async spend(key, expiresAt, always = false) {
      const first = await insert(key, expiresAt)
      const unit = database.current()
      if (first && always && unit?.isOpen()) unit.onRefusal(() => insert(key, expiresAt))
      return first
    },
    async spentAt({ tenant, kind, key }) {
      const [row] = await database.query<{ spent_at: Date }>(
        `select spent_at from single_use where tenant_id = $1 and kind = $2 and key = $3`,
        [tenant, kind, key],
      )
      return row?.spent_at.getTime()
    },
    sweep: () => sweepTable(database, SingleUseTable, 'expires_at <= $1', clock.now()),
  }
}
