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
    const { tenant, id } = account
    const removed = await core.database.transaction(async () => {
      const factors = await core.factors.removeAll(tenant, id, { by: 'operator' })
      const codes = await core.mailedCodes.turnOff(tenant, id, { by: 'operator' })
      return factors + (codes ? 1 : 0)
    })
    return { account: accountOutput(account), removed }
  },
  render: ({ account, removed }) =>
    removed > 0
      ? `${account.email} signs in with the password alone; second factors removed: ${removed}.`
      : `${account.email} had no second factor.`,
}
