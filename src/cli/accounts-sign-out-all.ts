import { z } from 'zod'
import { columns } from './columns.ts'
import { type Command, UsageError } from './command.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, after: z.string().optional() })

interface SignedOut {
  id: string
  email: string
}

/** Transactions. */
const atOnce = 4

/** Milliseconds that a node may go on issuing to those it takes for signed in. */
const unheardFor = 1000

/**
 * `accounts sign-out-all`: `{ accounts: [{ id, email }] }`, of those who had anything. For what is not known who has it:
 * after a restore, a refresh token that was used since is as good as new.
 */
export const accountsSignOutAll: Command<
  z.infer<typeof input>,
  { accounts: SignedOut[]; next?: string }
> = {
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
    await assertTenant(core, tenant)
    // At once, and also those of machines; what could bring new ones ends below.
    if (after === undefined) {
      await core.denials.add(tenant, [{ kind: 'tenant', subject: tenant, unheardFor }])
    }
    const found = await core.accounts.lists.page(tenant, { after, limit: pageLimit })
    const { shown, ...next } = pageIn(found, ({ email }) => email)
    const rows = await core.database.query<{ id: string }>(holders, [
      tenant,
      shown.map(({ id }) => id),
    ])
    const holding = new Set(rows.map(({ id }) => id))
    const signedOut = shown.filter(({ id }) => holding.has(id))
    const waiting = signedOut.values()
    const work = Array.from({ length: atOnce }, async () => {
      for (const account of waiting) await core.revocations.logOutEverywhere(account)
    })
    await Promise.all(work)
    return { accounts: signedOut.map(({ id, email }) => ({ id, email })), ...next }
  },
  render: ({ accounts }) =>
    accounts.length === 0
      ? 'Nobody is signed in.'
      : columns(accounts.map(({ id, email }) => [email, id, 'signed out everywhere'])),
}

/** Of the accounts `$2` those with a session, or with what somebody allowed, from which every family hangs. */
const holders = `select a.id from accounts a where a.tenant_id = $1 and a.id = any($2) and (
  exists (select 1 from sessions s
    where s.tenant_id = a.tenant_id and s.account_id = a.id and s.ended_at is null)
  or exists (select 1 from grants g
    where g.tenant_id = a.tenant_id and g.account_id = a.id and g.revoked_at is null))`
