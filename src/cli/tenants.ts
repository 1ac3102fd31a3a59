import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { defaultTenant, issuerOf, type SignUp } from '../tenants/tenant.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { assertKnownTenant } from './tenant-option.ts'

interface TenantOutput {
  id: string
  name: string
  issuer: string
  sign_up: SignUp
  disabled: boolean
  require_mfa: boolean
  email_codes: boolean
}

const none = z.strictObject({})

/** `tenants list`: `{ tenants: [{ id, name, issuer, sign_up: { mode, domains }, disabled, require_mfa, email_codes }] }`. */
export const tenantsList: Command<z.infer<typeof none>, { tenants: TenantOutput[] }> = {
  input: none,
  prepare: () => ({}),
  async execute({ tenants, config }) {
    const all = await tenants.list()
    return {
      tenants: all.map(({ signUp, requireMfa, emailCodes, ...tenant }) => ({
        ...tenant,
        issuer: issuerOf(config.issuer, tenant.id),
        sign_up: signUp,
        require_mfa: requireMfa,
        email_codes: emailCodes,
      })),
    }
  },
  render: ({ tenants }) =>
    columns(
      tenants.map(({ id, name, issuer, sign_up: { mode, domains }, ...rest }) => [
        id,
        name,
        issuer,
        [
          `sign-up ${[mode, ...domains].join(' ')}`,
          rest.disabled ? 'disabled' : '',
          rest.require_mfa ? 'second factor required' : '',
          rest.email_codes ? 'codes by e-mail' : '',
        ]
          .filter((each) => each !== '')
          .join(', '),
      ]),
    ),
}

const input = z.strictObject({ tenant: z.string() })

interface Output {
  tenant: string
  changed: boolean
}

/** `tenants disable`: `{ tenant, changed }`. */
export const tenantsDisable = setting(true)

/** `tenants enable`: `{ tenant, changed }`. */
export const tenantsEnable = setting(false)

function setting(disabled: boolean): Command<z.infer<typeof input>, Output> {
  const state = disabled ? 'disabled' : 'enabled'
  return {
    input,
    prepare: (args) => ({ tenant: args.operands[0] ?? '' }),
    async execute(core, { tenant }) {
      if (disabled && tenant === defaultTenant) {
        throw new DomainError('not_found', {
          detail:
            'The default tenant cannot be disabled: it has the operators and the health endpoints. Stop the server instead.',
        })
      }
      await assertKnownTenant(core, tenant)
      return { tenant, changed: await core.revocations.setTenantDisabled(tenant, disabled) }
    },
    render: ({ tenant, changed }) =>
      `Tenant ${tenant} ${changed ? `is now ${state}` : `was already ${state}`}.`,
  }
}
