import type { Platform } from '../platform.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/**
 * Bounded guessing: how often somebody may try what a person types and a program could guess (security class C9). The
 * count is in Postgres, so that neither a flushed Redis nor another node starts it anew; a try is taken before the
 * guess is looked at, so that a hundred at once are no more than the limit.
 */
export interface Attempts {
  /**
   * Takes one try from each budget.
   * @returns false when one of them has none left; then none was taken
   */
  take(tenant: string, budgets: Budget[]): Promise<boolean>
  /** For a try that was right: only wrong ones count. */
  giveBack(tenant: string, budgets: Budget[]): Promise<void>
  /** Removes what has ended, a batch at a time; returns how many. */
  sweep(): Promise<number>
}

export interface Budget {
  /** What is tried. */
  kind: string
  /** Who tries: a network, an account, everybody. Stored as its MAC, since it may be an address. */
  subject: string
  /** Tries in one window. */
  limit: number
  /** Seconds; it begins with the first try and is not prolonged by later ones. */
  window: number
}

export const AttemptsTable = table('attempts', {
  key: ['tenant_id', 'kind', 'subject'],
  columns: {
    tenant_id: column.text,
    kind: column.text,
    subject: column.text,
    used: column.count,
    ends_at: column.time,
  },
  references: { tenant: ofTenant },
  index: { ends: ['ends_at'] },
})

export function createAttempts({
  database,
  clock,
  sealer,
}: Pick<Platform, 'database' | 'clock' | 'sealer'>): Attempts {
  const subjectOf = ({ kind, subject }: Budget) => sealer.mac(`attempts:${kind}`, subject)

  /** One conditional statement counts and decides. */
  async function takeOne(tenant: string, budget: Budget): Promise<boolean> {
    const now = clock.now()
    const taken = await database.execute(
      `insert into attempts (tenant_id, kind, subject, used, ends_at) values ($1, $2, $3, 1, $5)
       on conflict (tenant_id, kind, subject) do update set
         used = case when attempts.ends_at <= $4 then 1 else attempts.used + 1 end,
         ends_at = case when attempts.ends_at <= $4 then excluded.ends_at else attempts.ends_at end
       where attempts.ends_at <= $4 or attempts.used < $6`,
      [
        tenant,
        budget.kind,
        subjectOf(budget),
        new Date(now),
        new Date(now + budget.window * 1000),
        budget.limit,
      ],
    )
    return taken === 1
  }

  async function giveBack(tenant: string, budgets: Budget[]): Promise<void> {
    for (const budget of budgets) {
      await database.execute(
        `update attempts set used = used - 1
         where tenant_id = $1 and kind = $2 and subject = $3 and used > 0`,
        [tenant, budget.kind, subjectOf(budget)],
      )
    }
  }

  return {
    // One after the other: whoever has used up his own does not use up that of everybody.
    async take(tenant, budgets) {
      for (const [index, budget] of budgets.entries()) {
        if (await takeOne(tenant, budget)) continue
        await giveBack(tenant, budgets.slice(0, index))
        return false
      }
      return true
    },
    giveBack,
    sweep: () => sweepTable(database, AttemptsTable, 'ends_at <= $1', clock.now()),
  }
}
