import { stringify } from 'yaml'
import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import type { ResourceServer } from '../resources/resource-server.ts'
import { defaultTenant, noSignUp, type SignUp } from '../tenants/tenant.ts'
import type { Command } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

interface SectionsOutput {
  /** Absent where nobody may come. */
  sign_up?: SignUp
  require_mfa?: true
  email_codes?: true
  resource_servers?: ResourceServer[]
  clients?: unknown[]
  accounts?: object[]
  webhooks?: object[]
}

type Output = SectionsOutput & {
  tenants?: Array<{ id: string; name: string } & SectionsOutput>
}

/**
 * `export`: the sections of the apply file, without secrets and password hashes; to apply it changes nothing.
 * Of the default tenant it is the whole installation, of another one that tenant alone.
 */
export const exportCommand: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }) {
    await assertTenant(core, tenant)
    const own = await sectionsOf(core, tenant)
    if (tenant !== defaultTenant) return own
    const tenants = await core.tenants.list()
    const others = await Promise.all(
      tenants
        .filter(({ id }) => id !== defaultTenant)
        .map(async ({ id, name }) => ({ id, name, ...(await sectionsOf(core, id)) })),
    )
    return { ...own, ...(others.length > 0 ? { tenants: others } : {}) }
  },
  render: (document) => stringify(document).trimEnd(),
}

async function sectionsOf(core: Capabilities, tenant: string): Promise<SectionsOutput> {
  const resourceServers = await core.resources.list(tenant)
  const clients = (await core.clients.list(tenant)).map(({ metadata }) => metadata)
  const accounts = (await core.accounts.list(tenant)).map(declarationOf)
  const policy = (await core.tenants.list()).find(({ id }) => id === tenant)
  const signUp = policy?.signUp ?? noSignUp
  const webhooks = await core.webhooks.list(tenant)
  return {
    ...(signUp.mode === noSignUp.mode ? {} : { sign_up: signUp }),
    ...(policy?.requireMfa ? { require_mfa: true } : {}),
    ...(policy?.emailCodes ? { email_codes: true } : {}),
    ...(resourceServers.length > 0 ? { resource_servers: resourceServers } : {}),
    ...(clients.length > 0 ? { clients } : {}),
    ...(accounts.length > 0 ? { accounts } : {}),
    ...(webhooks.length > 0 ? { webhooks } : {}),
  }
}

function declarationOf(account: Account): object {
  return {
    email: account.email,
    email_verified: account.emailVerified,
    ...(account.username === undefined ? {} : { username: account.username }),
    ...(account.name === undefined ? {} : { name: account.name }),
    roles: account.roles,
    disabled: account.disabled,
  }
}
