import { z } from 'zod'
import { type AccountOutput, accountOutput, findAccount } from './account-output.ts'
import type { Command } from './command.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, identifier: z.string() })

interface Output {
  account: AccountOutput
  changed: boolean
}

/** `accounts unlock`: `{ account, changed }`. */
export const accountsUnlock: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), identifier: args.operands[0] ?? '' }),
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    const changed = await core.lockouts.lift(account.tenant, account.id, 'operator')
    return { account: accountOutput(account), changed }
  },
  render: ({ account, changed }) =>
    changed
      ? `${account.email} is unlocked: its owner may sign in from everywhere.`
      : `${account.email} was not locked.`,
}
