import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'

/** Which accounts require a code by e-mail at sign-in: a column of the account. */
export function createMailedCodeStore({
  database,
  clock,
}: {
  database: Database
  clock: Pick<Clock, 'now'>
}) {
  return {
    async since(tenant: string, accountId: string): Promise<number | undefined> {
      const [row] = await database.query<{ email_codes_since: Date }>(
        `select email_codes_since from accounts
         where tenant_id = $1 and id = $2 and email_codes_since is not null`,
        [tenant, accountId],
      )
      return row?.email_codes_since.getTime()
    },

    /** @param email to which the code was mailed; the account must still have it, verified */
    async turnOn(tenant: string, accountId: string, email: string): Promise<boolean> {
      const changed = await database.execute(
        `update accounts set email_codes_since = $4 where tenant_id = $1 and id = $2 and email = $3
           and email_verified and disabled_at is null and email_codes_since is null`,
        [tenant, accountId, email, new Date(clock.now())],
      )
      return changed === 1
    },

    async turnOff(tenant: string, accountId: string): Promise<boolean> {
      const changed = await database.execute(
        `update accounts set email_codes_since = null
         where tenant_id = $1 and id = $2 and email_codes_since is not null`,
        [tenant, accountId],
      )
      return changed === 1
    },
  }
}
