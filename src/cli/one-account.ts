import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { findAccount } from './account-output.ts'
import type { Command } from './command.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  identifier: z.string(),
  force: z.boolean().optional(),
})

type Input = z.infer<typeof input>

interface Work<Result> {
  execute(core: Capabilities, account: Account, options: Pick<Input, 'force'>): Promise<Result>
  render(result: Result): string
}

/** A command on one account, named by its operand. Also throws what `findAccount` does. */
export function ofOneAccount<Result>({ execute, render }: Work<Result>): Command<Input, Result> {
  return {
    input,
    prepare: (args) => ({
      ...tenantOption(args),
      identifier: args.operands[0] ?? '',
      ...(args.options['force'] ? { force: true } : {}),
    }),
    async execute(core, { force, ...named }) {
      return execute(core, await findAccount(core, named), { force })
    },
    render,
  }
}
