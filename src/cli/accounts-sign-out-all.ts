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

/** Accounts of one execution: each is work, and what was done is printed before more is begun. */
const pageSize = 20

/** Transactions. */
const atOnce = 4

/**
 * `accounts sign-out-all`: `{ accounts: [{ id, email }], failed: [{ id, email, error }] }`, of those who had anything. For
 * what is not known who has it: after a restore, a refresh token that was used since is as good as new.
 */
export const accountsSignOutAll: Command<z.infer<typeof input>, Output> = {
  input,
  list: 'accounts',
  prepare(args) {
    if (!args.options['yes']) {
      throw new UsageError(
        'everybody of the tenant has to sign in and to consent again: add --yes if that is meant',
      )
    }
    return tenantOption(args)
  },
  async execute(core, { tenant, after }) {
    // What is disabled may come back, with all that it had.
    await assertKnownTenant(core, tenant)
    // At once, and also those of machines; what could bring new ones ends below.
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

/** One that cannot be signed out keeps nobody behind it from being. @returns what failed of each, in their order */
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
 * At most `$3` accounts behind the id `$2` with a session, or with what somebody allowed, from which every family hangs.
 * By id, as both have an index that is in this order: few holders among a million accounts are found as quickly.
 */
const holders = `select a.id, a.email from accounts a where a.tenant_id = $1 and a.id in (
  (select distinct account_id from sessions
    where tenant_id = $1 and account_id > $2 and ended_at is null order by account_id limit $3)
  union all
  (select distinct account_id from grants
    where tenant_id = $1 and account_id > $2 and revoked_at is null order by account_id limit $3))
  order by a.id limit $3`
