import type { Database } from '../storage/database.ts'
import { inBatches, mySweep, sweepBatch, sweepTable } from '../storage/sweep.ts'
import { FamiliesTable, RefreshTokensTable } from './family.store.ts'

/** Most rows that one statement deletes from a table that no other one references. */
const mostDeleted = 5000
/** Most families that are looked up at once for deletion. */
const mostFound = 10_000

/** Deletion of families and tokens, by age or with their client. */
export function createFamilyRetention({ database }: { database: Database }) {
  return {
    /** Disabled clients that still have live families: disabling them was interrupted. */
    async disabledOwners(): Promise<Array<{ tenant: string; clientId: string }>> {
      return database.query(
        `select c.tenant_id as tenant, c.client_id as "clientId" from clients c
         where c.disabled_at is not null and exists (
           select 1 from families f
           where f.tenant_id = c.tenant_id and f.client_id = c.client_id and f.ended_at is null)`,
      )
    },

    /** Whether a client is disabled; it stays so until the transaction ends. */
    async holdDisabled(tenant: string, clientId: string): Promise<boolean> {
      const rows = await database.query(
        `select 1 from clients
         where tenant_id = $1 and client_id = $2 and disabled_at is not null for share`,
        [tenant, clientId],
      )
      return rows.length > 0
    },

    /** Deletes families of clients with their tokens, a batch at a time. @returns false when none is left */
    async forgetSome(tenant: string, clientIds: string[]): Promise<boolean> {
      // Looks up many at once, in no order: among 100,000, finding each next batch takes longer than deleting it.
      const found = await database.query<{ id: string }>(
        `select id from families where tenant_id = $1 and client_id = any($2) limit ${mostFound}`,
        [tenant, clientIds],
      )
      for (let at = 0; at < found.length; at += sweepBatch) {
        const some = [tenant, found.slice(at, at + sweepBatch).map(({ id }) => id)]
        const tokens = () =>
          database.execute(
            `delete from refresh_tokens where tenant_id = $1 and token_hash = any(array(
               select token_hash from refresh_tokens
               where tenant_id = $1 and family_id = any($2) limit ${mostDeleted}))`,
            some,
          )
        while ((await tokens()) === mostDeleted);
        await database.execute('delete from families where tenant_id = $1 and id = any($2)', some)
      }
      return found.length > 0
    },

    /** Deletes answers whose replay window is over. @param before milliseconds since the epoch */
    forgetAnswers: (before: number) =>
      inBatches(
        database,
        `update refresh_tokens set answer = null where (tenant_id, token_hash) in (
           select tenant_id, token_hash from refresh_tokens
           where ${mySweep} and answer is not null and consumed_at < $1
           limit ${sweepBatch} for update skip locked)`,
        [new Date(before)],
      ),

    /** Deletes consumed tokens and families that were over by then. @param before milliseconds since the epoch */
    async purge(before: number): Promise<number> {
      const steps = await sweepTable(database, RefreshTokensTable, 'consumed_at < $1', before)
      const families = await sweepTable(
        database,
        FamiliesTable,
        'ended_at < $1 or expires_at < $1',
        before,
      )
      const unused = await sweepTable(
        database,
        FamiliesTable,
        `(tenant_id, id) in (
          select tenant_id, family_id from refresh_tokens where consumed_at is null and expires_at < $1)`,
        before,
      )
      return steps + families + unused
    },
  }
}
