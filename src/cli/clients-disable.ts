import { z } from 'zod'
import { operator } from '../revocation/revocation.ts'
import type { Arguments, Command } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  client_id: z.string(),
  force: z.boolean().optional(),
})
type Input = z.infer<typeof input>

interface Output {
  client_id: string
  changed: boolean
}

const prepare = (args: Arguments): Input => ({
  ...tenantOption(args),
  client_id: args.operands[0] ?? '',
  ...(args.options['force'] ? { force: true } : {}),
})

/** `clients disable`: `{ client_id, changed }`. */
export const clientsDisable = setting(true)

/** `clients enable`: `{ client_id, changed }`. */
export const clientsEnable = setting(false)

/** `clients delete`: `{ client_id, changed }`. */
export const clientsDelete: Command<Input, Output> = {
  input,
  prepare,
  async execute(core, { tenant, client_id, force }) {
    await assertTenant(core, tenant)
    await core.revocations.deleteClient(tenant, client_id, { ...operator, force })
    return { client_id, changed: true }
  },
  render: ({ client_id }) =>
    `Client ${client_id} is deleted, with everything that was issued to it.`,
}

function setting(disabled: boolean): Command<Input, Output> {
  const state = disabled ? 'disabled' : 'enabled'
  return {
    input,
    prepare,
    async execute(core, { tenant, client_id, force }) {
      await assertTenant(core, tenant)
      const actor = { ...operator, force }
      const changed = await core.revocations.setClientDisabled(tenant, client_id, disabled, actor)
      return { client_id, changed }
    },
    render: ({ client_id, changed }) =>
      `Client ${client_id} ${changed ? `is now ${state}` : `was already ${state}`}.`,
  }
}
