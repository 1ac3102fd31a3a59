import { z } from 'zod'
import { operator } from '../revocation/revocation.ts'
import { type AccountOutput, accountOutput, findAccount } from './account-output.ts'
import type { Command } from './command.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  identifier: z.string(),
  force: z.boolean().optional(),
})

interface Output {
  account: AccountOutput
  changed: boolean
}

/** `accounts disable`: `{ account, changed }`. */
export const accountsDisable = setting(true)

/** `accounts enable`: `{ account, changed }`. */
export const accountsEnable = setting(false)

function setting(disabled: boolean): Command<z.infer<typeof input>, Output> {
  const state = disabled ? 'disabled' : 'enabled'
  return {
    input,
    prepare: (args) => ({
      ...tenantOption(args),
      identifier: args.operands[0] ?? '',
      ...(args.options['force'] ? { force: true } : {}),
    }),
    async execute(core, wanted) {
      const account = await findAccount(core, wanted)
      const changed = await core.revocations.setAccountDisabled(account, disabled, {
        ...operator,
        force: wanted.force,
      })
      return { account: accountOutput({ ...account, disabled }), changed }
    },
    render: ({ account, changed }) =>
      changed ? `${account.email} is ${state} now.` : `${account.email} was ${state} already.`,
  }
}
