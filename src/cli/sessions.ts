import { z } from 'zod'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { findOwner } from './account-output.ts'
import { table } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { emailsById } from './owners.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const filter = z.strictObject({
  ...ofTenant,
  account: z.string().optional(),
  after: z.string().optional(),
})

interface SessionOutput {
  id: string
  account: string
  clients: string[]
  signed_in_at?: string
  last_used_at: string
  expires_at: string
}

/** `sessions list`: `{ sessions: [{ id, account, clients, signed_in_at?, last_used_at, expires_at }] }`. */
export const sessionsList: Command<
  z.infer<typeof filter>,
  { sessions: SessionOutput[]; next?: string }
> = {
  input: filter,
  list: 'sessions',
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ account: optionalText(args, 'account') }),
  }),
  async execute(core, { tenant, account: identifier, after }) {
    await assertTenant(core, tenant)
    const owner = await findOwner(core, { tenant, identifier })
    // For one account: most recently used first. For all: an order that does not change with use.
    const page = owner
      ? await core.sessions.list(tenant, owner.id)
      : await core.sessions.page(tenant, { after, limit: pageLimit })
    const { shown: found, ...next } = pageIn(page, ({ uid }) => uid)
    const emails = await emailsById(core, tenant, found)
    return {
      ...next,
      sessions: found.map(({ uid, accountId, clientIds, signedInAt, lastUsedAt, expiresAt }) => ({
        id: uid,
        account: emails(accountId),
        clients: clientIds,
        ...present({ signed_in_at: rfc3339(signedInAt) }),
        last_used_at: rfc3339(lastUsedAt),
        expires_at: rfc3339(expiresAt),
      })),
    }
  },
  render: ({ sessions }) =>
    table(sessions, 'Nobody is signed in.', ({ id, account, clients, last_used_at }) => [
      id,
      account,
      last_used_at,
      clients.join(' '),
    ]),
}

const input = z.strictObject({ ...ofTenant, id: z.string() })

/** `sessions end`: `{ id, changed }`. */
export const sessionsEnd: Command<z.infer<typeof input>, { id: string; changed: boolean }> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), id: args.operands[0] ?? '' }),
  async execute(core, { tenant, id }) {
    await assertTenant(core, tenant)
    return { id, changed: await core.revocations.endSession(tenant, id) }
  },
  render: ({ id, changed }) =>
    changed
      ? `Session ${id} has ended, with the tokens that depend on it.`
      : `There is no session ${id}, or it had already ended.`,
}
