import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { columns } from './columns.ts'
import { type Command, UsageError } from './command.ts'
import { describeFailure } from './failure.ts'
import { pageIn } from './pages.ts'
import { assertKnownTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, after: z.string().optional() })

interface SignedOut {
  id: string
  email: string
}

interface Output {
  accounts: SignedOut[]
  failed: Array<SignedOut & { error: string }>
  next?: string
}

/** Accounts of one execution; the results are printed before the next one begins. */
const pageSize = 20

/** Concurrent transactions. */
const atOnce = 4

/**
 * `accounts sign-out-all`: `{ accounts: [{ id, email }], failed: [{ id, email, error }] }`, of accounts that had
 * sessions or grants. For when it is unknown who holds what: after a restore, a refresh token consumed since the backup
 * works again.
 */
export const accountsSignOutAll: Command<z.infer<typeof input>, Output> = {
  input,
  list: 'accounts',
  prepare(args) {
    if (!args.options['yes']) {
      throw new UsageError(
        'all users of the tenant will have to sign in and consent again; add --yes to confirm',
      )
    }
    return tenantOption(args)
  },
  async execute(core, { tenant, after }) {
    // Disabled tenants, too: one may be enabled again, with all its sessions.
    await assertKnownTenant(core, tenant)
    // Ends all tokens at once, also those of machines; the sessions and grants that could yield new ones are ended
    // below.
    if (after === undefined) await core.revocations.signOutTenant(tenant)
    const found = await core.database.query<SignedOut>(holders, [tenant, after ?? '', pageSize + 1])
    const { shown, ...next } = pageIn(found, ({ id }) => id, pageSize)
    const outcomes = await signOut(core, tenant, shown)
    return {
      accounts: shown.filter((_, at) => outcomes[at] === undefined),
      failed: shown.flatMap((each, at) => {
        const error = outcomes[at]
        return error === undefined ? [] : { ...each, error }
      }),
      ...next,
    }
  },
  render: ({ accounts, failed }) =>
    accounts.length + failed.length === 0
      ? 'Nobody is signed in.'
      : columns([
          ...accounts.map(({ id, email }) => [email, id, 'signed out everywhere']),
          ...failed.map(({ id, email, error }) => [email, id, `failed: ${error}`]),
        ]),
  failed: ({ failed }) => failed.length > 0,
}

/** Signs accounts out; a failure does not stop the others. @returns the errors, in order of the accounts */
async function signOut(
  { revocations }: Capabilities,
  tenant: string,
  accounts: SignedOut[],
): Promise<Array<string | undefined>> {
  const errors: Array<string | undefined> = accounts.map(() => undefined)
  const waiting = accounts.entries()
  const work = Array.from({ length: atOnce }, async () => {
    for (const [at, { id }] of waiting) {
      const account: Pick<Account, 'tenant' | 'id'> = { tenant, id }
      await revocations.logOutEverywhere(account).catch((error: unknown) => {
        errors[at] = describeFailure(error)
      })
    }
  })
  await Promise.all(work)
  return errors
}

/**
 * SQL: at most `$3` accounts after the id `$2` with a session or a grant (every family belongs to a grant). By id, for
 * which both tables have an index: fast even with few holders among a million accounts.
 */
const holders = `select a.id, a.email from accounts a where a.tenant_id = $1 and a.id in (
  (select distinct account_id from sessions
    where tenant_id = $1 and account_id > $2 and ended_at is null order by account_id limit $3)
  union all
  (select distinct account_id from grants
    where tenant_id = $1 and account_id > $2 and revoked_at is null order by account_id limit $3))
  order by a.id limit $3`
