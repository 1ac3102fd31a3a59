import { z } from 'zod'
import { type AccountOutput, accountOutput } from './account-output.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

/** `accounts list`: `{ accounts: [{ id, email, email_verified, username?, name?, roles, disabled }] }`. */
export const accountsList: Command<z.infer<typeof input>, { accounts: AccountOutput[] }> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }) {
    await assertTenant(core, tenant)
    return { accounts: (await core.accounts.list(tenant)).map(accountOutput) }
  },
  render: ({ accounts }) =>
    accounts.length === 0
      ? 'There are no accounts.'
      : columns(
          accounts.map(({ email, name = '', roles, disabled, id }) => [
            email,
            name,
            [...roles, ...(disabled ? ['disabled'] : [])].join(', '),
            id,
          ]),
        ),
}
