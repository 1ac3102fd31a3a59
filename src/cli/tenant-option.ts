import { z } from 'zod'
import { DomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { type Arguments, textOption } from './command.ts'

/** The member of every input that names the tenant. */
export const ofTenant = { tenant: z.string() }

/** @returns the member for `ofTenant` */
export function tenantOption(args: Arguments): { tenant: string } {
  return { tenant: textOption(args, 'tenant') }
}

/** @throws DomainError `not_found` when there is no such tenant, or it is disabled */
export async function assertTenant({ tenants }: Capabilities, id: string): Promise<void> {
  if (!(await tenants.find(id))) await refuse(tenants, id)
}

/** @throws DomainError `not_found` when there is no such tenant, enabled or not */
export async function assertKnownTenant({ tenants }: Capabilities, id: string): Promise<void> {
  if (!(await tenants.view(id))) await refuse(tenants, id)
}

async function refuse(tenants: Capabilities['tenants'], id: string): Promise<never> {
  const known = (await tenants.list()).map((tenant) => tenant.id).join(', ')
  throw new DomainError('not_found', {
    detail: `There is no tenant ${JSON.stringify(id)}; there are: ${known}.`,
  })
}
