import type { Platform } from '../platform.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/**
 * Limits guesses at values that people type, which a program could try out (security class C9). The count is in
 * Postgres, so that neither a flushed Redis nor another node resets it. A try is counted before the guess is checked,
 * so that a hundred concurrent guesses do not exceed the limit.
 */
export interface Attempts {
  /**
   * Takes one try from each budget.
   * @returns false when one has none left; then none was taken
   */
  take(tenant: string, budgets: Budget[]): Promise<boolean>
  /** Returns the tries of a right guess: only wrong ones count. */
  giveBack(tenant: string, budgets: Budget[]): Promise<void>
  /** Deletes expired counts, in batches. @returns how many */
  sweep(): Promise<number>
}

export interface Budget {
  /** What is guessed. */
  kind: string
  /** Who guesses: a network, an account, everybody. Stored as a MAC, since it may be an IP address. */
  subject: string
  /** Most tries in one window. */
  limit: number
  /** Seconds; the window begins with the first try, and later ones do not extend it. */
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

  /** Counts a try and decides on it in one conditional statement. */
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
    // One after the other: a caller without tries left must not use up the budget of everybody.
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
