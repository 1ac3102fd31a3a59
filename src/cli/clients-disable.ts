import { z } from 'zod'
import type { Command } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, client_id: z.string() })
type Input = z.infer<typeof input>

interface Output {
  client_id: string
  changed: boolean
}

/** `clients disable`: `{ client_id, changed }`. */
export const clientsDisable = setting(true)

/** `clients enable`: `{ client_id, changed }`. */
export const clientsEnable = setting(false)

/** `clients delete`: `{ client_id, changed }`. */
export const clientsDelete: Command<Input, Output> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), client_id: args.operands[0] ?? '' }),
  async execute(core, { tenant, client_id }) {
    await assertTenant(core, tenant)
    await core.revocations.deleteClient(tenant, client_id)
    return { client_id, changed: true }
  },
  render: ({ client_id }) => `Client ${client_id} is deleted, with everything it ever got.`,
}

function setting(disabled: boolean): Command<Input, Output> {
  const state = disabled ? 'disabled' : 'enabled'
  return {
    input,
    prepare: (args) => ({ ...tenantOption(args), client_id: args.operands[0] ?? '' }),
    async execute(core, { tenant, client_id }) {
      await assertTenant(core, tenant)
      const changed = await core.revocations.setClientDisabled(tenant, client_id, disabled)
      return { client_id, changed }
    },
    render: ({ client_id, changed }) =>
      `Client ${client_id} ${changed ? `is ${state} now` : `was ${state} already`}.`,
  }
}
