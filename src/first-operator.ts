import { isDomainError } from './errors.ts'
import type { Capabilities } from './oidc/capabilities.ts'
import { defaultTenant } from './tenants/tenant.ts'

/** Creates the operator of a first start. @returns nothing when there is one, or another node was first */
export async function firstOperator({ config, accounts }: Capabilities) {
  // Checked at each start, whatever the number of accounts.
  if (await accounts.hasOperator(defaultTenant)) return undefined
  const email = config.operatorEmail
  try {
    const { oneTimePassword } = await accounts.create(defaultTenant, {
      email,
      name: 'Operator',
      roles: ['operator'],
    })
    return oneTimePassword === undefined ? undefined : { email, oneTimePassword }
  } catch (error) {
    // Another node was first, and printed it.
    if (isDomainError(error, 'account_exists')) return undefined
    throw error
  }
}
