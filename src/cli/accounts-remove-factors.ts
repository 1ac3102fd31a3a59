import { z } from 'zod'
import { type AccountOutput, accountOutput, findAccount } from './account-output.ts'
import type { Command } from './command.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, identifier: z.string() })

interface Output {
  account: AccountOutput
  removed: number
}

/** `accounts remove-factors`: `{ account, removed }`. */
export const accountsRemoveFactors: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), identifier: args.operands[0] ?? '' }),
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    const removed = await core.factors.removeAll(account.tenant, account.id, { by: 'operator' })
    return { account: accountOutput(account), removed }
  },
  render: ({ account, removed }) =>
    removed > 0
      ? `${account.email} signs in with the password alone; second factors removed: ${removed}.`
      : `${account.email} had no second factor.`,
}
