import { z } from 'zod'
import type { LogoutView } from '../logouts/logouts.ts'
import { present } from '../present.ts'
import { findAccount } from './account-output.ts'
import { columns } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { rfc3339 } from './family-output.ts'
import { emailsById } from './owners.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  account: z.string().optional(),
  client: z.string().optional(),
  state: z.enum(['waiting', 'delivered', 'failed']).optional(),
})

/** A log-out that a client is told of, as commands print it; times as RFC 3339. */
interface LogoutOutput {
  id: string
  client_id: string
  account: string
  sid?: string
  state: LogoutView['state']
  attempts: number
  created_at: string
  next_at?: string
  delivered_at?: string
  failed_at?: string
  last_error?: string
}

/** `logouts list`: `{ logouts: [{ id, client_id, account, sid?, state, attempts, …, last_error? }] }`. */
export const logoutsList: Command<z.infer<typeof input>, { logouts: LogoutOutput[] }> = {
  input,
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({
      account: optionalText(args, 'account'),
      client: optionalText(args, 'client'),
      state: optionalText(args, 'state') as LogoutView['state'] | undefined,
    }),
  }),
  async execute(core, { tenant, account: identifier, client: clientId, state }) {
    await assertTenant(core, tenant)
    const owner =
      identifier === undefined ? undefined : await findAccount(core, { tenant, identifier })
    const found = await core.logouts.list(tenant, { accountId: owner?.id, clientId, state })
    const owners = found.map(({ accountId }) => accountId)
    const emails = await emailsById(core, tenant, owners)
    return { logouts: found.map((logout) => output(logout, emails(logout.accountId))) }
  },
  render: ({ logouts }) =>
    logouts.length === 0
      ? 'There are no log-outs that clients were told of.'
      : columns(
          logouts.map((logout) => [
            logout.created_at,
            logout.client_id,
            logout.account,
            logout.state,
            `${logout.attempts} ${logout.attempts === 1 ? 'attempt' : 'attempts'}`,
            logout.last_error ?? '',
          ]),
        ),
}

function output(logout: LogoutView, account: string): LogoutOutput {
  const { sid, nextAt, deliveredAt, failedAt, lastError } = logout
  return {
    id: logout.id,
    client_id: logout.clientId,
    account,
    ...(sid === undefined ? {} : { sid }),
    state: logout.state,
    attempts: logout.attempts,
    created_at: rfc3339(logout.createdAt),
    ...(nextAt === undefined ? {} : { next_at: rfc3339(nextAt) }),
    ...(deliveredAt === undefined ? {} : { delivered_at: rfc3339(deliveredAt) }),
    ...(failedAt === undefined ? {} : { failed_at: rfc3339(failedAt) }),
    ...(lastError === undefined ? {} : { last_error: lastError }),
  }
}
