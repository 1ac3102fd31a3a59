import { z } from 'zod'
import { type AccountOutput, accountOutput, findAccount } from './account-output.ts'
import type { Command } from './command.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, identifier: z.string() })

/** `accounts sign-out`: `{ account }`. */
export const accountsSignOut: Command<z.infer<typeof input>, { account: AccountOutput }> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), identifier: args.operands[0] ?? '' }),
  async execute(core, wanted) {
    const account = await findAccount(core, wanted)
    await core.revocations.logOutEverywhere(account)
    return { account: accountOutput(account) }
  },
  render: ({ account }) =>
    `${account.email} is signed out everywhere: sessions, refresh tokens, access tokens and consent have ended.`,
}
