import { z } from 'zod'
import type { LogoutView } from '../logouts/logouts.ts'
import { present } from '../present.ts'
import { findOwner } from './account-output.ts'
import { table } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import {
  type MessageOutput,
  messageCells,
  messageOutput,
  ofState,
  stateOption,
} from './message-output.ts'
import { emailsById } from './owners.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  account: z.string().optional(),
  client: z.string().optional(),
  ...ofState,
})

/** A log-out to be delivered to a client, as commands print it; times as RFC 3339. */
interface LogoutOutput extends MessageOutput {
  id: string
  client_id: string
  account: string
  sid?: string
}

/** `logouts list`: `{ logouts: [{ id, client_id, account, sid?, state, attempts, …, last_error? }] }`. */
export const logoutsList: Command<z.infer<typeof input>, { logouts: LogoutOutput[] }> = {
  input,
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ account: optionalText(args, 'account'), client: optionalText(args, 'client') }),
    ...stateOption(args),
  }),
  async execute(core, { tenant, account: identifier, client: clientId, state }) {
    await assertTenant(core, tenant)
    const owner = await findOwner(core, { tenant, identifier })
    const found = await core.logouts.list(tenant, { accountId: owner?.id, clientId, state })
    const emails = await emailsById(core, tenant, found)
    return { logouts: found.map((logout) => output(logout, emails(logout.accountId))) }
  },
  render: ({ logouts }) =>
    table(logouts, 'There are no log-out notifications.', (logout) => [
      logout.created_at,
      logout.client_id,
      logout.account,
      ...messageCells(logout),
    ]),
}

function output(logout: LogoutView, account: string): LogoutOutput {
  const { id, clientId, sid } = logout
  return { id, client_id: clientId, account, ...present({ sid }), ...messageOutput(logout) }
}
