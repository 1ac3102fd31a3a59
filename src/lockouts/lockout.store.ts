import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { Row } from './lockout.ts'

export const LockoutsTable = table('lockouts', {
  key: ['tenant_id', 'subject', 'source'],
  columns: {
    tenant_id: column.text,
    subject: column.text,
    source: column.text,
    account_id: nullable(column.text),
    failures: column.count,
    refused: column.count,
    looked: column.flag,
    locked_until: nullable(column.time),
    last_at: column.time,
  },
  references: {
    tenant: ofTenant,
    account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']],
  },
  index: {
    account: ['tenant_id', 'account_id'],
    strangers: { columns: ['last_at'], where: 'account_id is null' },
  },
})

/** Seconds without a guess after which a count that belongs to no account is deleted. */
const strangersKept = 3600

/** The key of a count. */
export interface Place {
  tenant: string
  /** A MAC: it may be of an address that has no account. */
  subject: string
  source: string
  accountId: string | undefined
}

export interface Taken {
  /** Whether the guess may be checked. */
  looked: boolean
  failures: number
  /** Milliseconds since the epoch; undefined when there is no pause. */
  lockedUntil: number | undefined
}

interface LockoutRow {
  account_id: string
  source: string
  failures: number
  refused: number
  locked_until: Date | null
}

const isOpen = '(l.failures < $9 and (l.locked_until is null or l.locked_until <= $5))'

export function createLockoutStore({ database, clock }: { database: Database; clock: Clock }) {
  const now = () => new Date(clock.now())

  return {
    /**
     * Counts a guess and decides on it in one statement. A refused guess is written, too, to take the same time. The
     * pause begins with the last guess that is free.
     * @param unlessLocking writes nothing if the guess begins a pause or is the last allowed: the caller then repeats
     *   it in a transaction with its event
     * @returns undefined when nothing was written
     */
    async take(
      { tenant, subject, source, accountId }: Place,
      row: Row,
      unlessLocking = false,
    ): Promise<Taken | undefined> {
      const [taken] = await database.query<{
        looked: boolean
        failures: number
        locked_until: Date | null
      }>(
        `insert into lockouts as l
           (tenant_id, subject, source, account_id, failures, refused, looked, locked_until, last_at)
         values ($1, $2, $3, $4, 1, 0, true, null, $5)
         on conflict (tenant_id, subject, source) do update set
           failures = l.failures + (case when ${isOpen} then 1 else 0 end),
           refused = l.refused + (case when ${isOpen} then 0 else 1 end),
           looked = ${isOpen},
           locked_until = case
             when not ${isOpen} then l.locked_until
             when l.failures + 1 < $6 then null
             else $5::timestamptz + least($8::float, $7::float * power(2, least(l.failures + 1 - $6::integer, 30)))
               * interval '1 second'
           end,
           last_at = $5
         where not ($10 and ${isOpen} and l.failures + 1 >= least($6::integer, $9::integer))
         returning looked, failures, locked_until`,
        [
          tenant,
          subject,
          source,
          accountId ?? null,
          now(),
          row.free,
          row.pause,
          row.longest,
          row.most,
          unlessLocking,
        ],
      )
      return (
        taken && {
          looked: taken.looked,
          failures: taken.failures,
          lockedUntil: taken.locked_until?.getTime(),
        }
      )
    },

    /** @param failures what `take` returned; if no guess came since, the pause that it began is ended, too */
    async giveBack({ tenant, subject, source }: Place, row: Row, failures: number): Promise<void> {
      await database.execute(
        `update lockouts set failures = failures - 1,
           locked_until = case when failures = $4 or failures - 1 < $5 then null else locked_until end
         where tenant_id = $1 and subject = $2 and source = $3 and failures > 0`,
        [tenant, subject, source, failures, row.free],
      )
    },

    /**
     * Resets the counts of an account.
     * @returns the number of wrong guesses in a row
     * @param least resets only if strangers had at least so many
     */
    async clear(tenant: string, accountId: string, least = 0): Promise<number> {
      const rows = await database.query<{ failures: number }>(
        `delete from lockouts where tenant_id = $1 and account_id = $2 and ($3 = 0 or exists (
           select 1 from lockouts s where s.tenant_id = $1 and s.account_id = $2 and s.source = 'strangers'
             and s.failures >= $3))
         returning failures`,
        [tenant, accountId, least],
      )
      return Math.max(0, ...rows.map(({ failures }) => failures))
    },

    of(tenant: string, accountIds: readonly string[]): Promise<LockoutRow[]> {
      return database.query<LockoutRow>(
        `select account_id, source, failures, refused, locked_until from lockouts
         where tenant_id = $1 and account_id = any($2)`,
        [tenant, accountIds],
      )
    },

    sweep: () =>
      sweepTable(
        database,
        LockoutsTable,
        'account_id is null and last_at <= $1',
        clock.now() - strangersKept * 1000,
      ),
  }
}
