import { z } from 'zod'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { findAccount, findOwner } from './account-output.ts'
import { table } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { emailsById } from './owners.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const filter = z.strictObject({
  ...ofTenant,
  account: z.string().optional(),
  client: z.string().optional(),
  after: z.strictObject({ createdAt: z.number(), id: z.string() }).optional(),
})

interface GrantOutput {
  account: string
  client_id: string
  scopes: string[]
  created_at: string
  updated_at: string
}

/** `grants list`: `{ grants: [{ account, client_id, scopes, created_at, updated_at }] }`. */
export const grantsList: Command<
  z.infer<typeof filter>,
  { grants: GrantOutput[]; next?: { createdAt: number; id: string } }
> = {
  input: filter,
  list: 'grants',
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ account: optionalText(args, 'account'), client: optionalText(args, 'client') }),
  }),
  async execute(core, { tenant, account: identifier, client: clientId, after }) {
    await assertTenant(core, tenant)
    const owner = await findOwner(core, { tenant, identifier })
    const which = { accountId: owner?.id, clientId }
    const page = await core.grants.list(tenant, which, { after, limit: pageLimit })
    const { shown: found, ...next } = pageIn(page, ({ createdAt, id }) => ({ createdAt, id }))
    const emails = await emailsById(core, tenant, found)
    return {
      ...next,
      grants: found.map((grant) => ({
        account: emails(grant.accountId),
        client_id: grant.clientId,
        scopes: grant.scopes,
        created_at: rfc3339(grant.createdAt),
        updated_at: rfc3339(grant.updatedAt),
      })),
    }
  },
  render: ({ grants }) =>
    table(
      grants,
      'No user has given consent to a client.',
      ({ account, client_id, scopes, updated_at }) => [
        account,
        client_id,
        scopes.join(' '),
        updated_at,
      ],
    ),
}

const input = z.strictObject({ ...ofTenant, identifier: z.string(), client_id: z.string() })

interface Output {
  account: string
  client_id: string
  changed: boolean
}

/** `grants revoke`: `{ account, client_id, changed }`. */
export const grantsRevoke: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({
    ...tenantOption(args),
    identifier: args.operands[0] ?? '',
    client_id: args.operands[1] ?? '',
  }),
  async execute(core, { tenant, identifier, client_id }) {
    const { id, email } = await findAccount(core, { tenant, identifier })
    const changed = await core.revocations.revokeGrant(tenant, id, client_id)
    return { account: email, client_id, changed }
  },
  render: ({ account, client_id, changed }) =>
    changed
      ? `The consent of ${account} to ${client_id} is withdrawn; its refresh and access tokens have ended.`
      : `${account} had given no consent to ${client_id}.`,
}
