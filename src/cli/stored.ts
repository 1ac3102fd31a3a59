import { type Account, identifierKey } from '../accounts/account.ts'
import type { ClientView } from '../clients/client-views.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import type { RegistrationPolicy } from '../registration/policy.ts'
import type { SignUp } from '../tenants/tenant.ts'

/** Objects of which a tenant has few. */
export interface StoredFew {
  resource_servers: StoredItem[]
  webhooks: StoredItem[]
}

export type ItemSection = keyof typeof identities

/** A tenant itself, as an apply file would declare it. */
export interface StoredTenant {
  id: string
  name: string
  disabled: boolean
  sign_up: SignUp
  require_mfa: boolean
  email_codes: boolean
  registration: RegistrationPolicy
}

/** The members of one item, as an apply file would declare it: without secrets and password hashes. */
export type StoredItem = Record<string, unknown>

/** The identifying member of each section's items. */
export const identities = {
  resource_servers: 'identifier',
  clients: 'client_id',
  accounts: 'email',
  webhooks: 'url',
} as const

/** The key of an item: addresses that differ only in case are the same. */
export function keyOf(section: keyof typeof identities, id: string): string {
  return section === 'accounts' ? identifierKey(id) : id
}

const all = { limit: 2 ** 31 - 1 }

/** Rows per statement: one for all would exceed the statement timeout. */
const pageSize = 1000

/** Reads the kinds with few objects, bypassing caches, in the transaction of this context if there is one. */
export async function storedFew(core: Capabilities, tenant: string): Promise<StoredFew> {
  return {
    resource_servers: (await core.resources.page(tenant, all)).map(serverItem),
    webhooks: (await core.webhooks.list(tenant)).map((webhook) => ({ ...webhook })),
  }
}

/** The same for the clients with these ids, including disabled ones. */
export async function storedClients(
  { clients, clock }: Capabilities,
  tenant: string,
  ids: readonly string[],
): Promise<StoredItem[]> {
  const found = await clients.views.named(tenant, ids, clock.now())
  return found.filter(isDeclared).map(clientItem)
}

/** The same for accounts. */
export async function storedAccounts(
  { accounts }: Capabilities,
  tenant: string,
  emails: readonly string[],
): Promise<StoredItem[]> {
  return (await accounts.lists.named(tenant, emails)).map(accountItem)
}

/** Everything of a tenant, section by section; at most a page of items at a time. */
export async function* storedPages(
  core: Capabilities,
  tenant: string,
): AsyncGenerator<[section: ItemSection, items: StoredItem[]]> {
  const few = await storedFew(core, tenant)
  yield ['resource_servers', few.resource_servers]
  for await (const page of clientPages(core, tenant)) {
    yield ['clients', page.filter(isDeclared).map(clientItem)]
  }
  for await (const page of accountPages(core, tenant)) yield ['accounts', page.map(accountItem)]
  yield ['webhooks', few.webhooks]
}

/** All tenants with their settings. */
export async function storedTenants(core: Capabilities): Promise<StoredTenant[]> {
  const tenants = await core.tenants.list()
  return Promise.all(
    tenants.map(async ({ id, name, disabled, signUp, requireMfa, emailCodes }) => ({
      id,
      name,
      disabled,
      sign_up: signUp,
      require_mfa: requireMfa,
      email_codes: emailCodes,
      registration: await core.registrationPolicies.of(id),
    })),
  )
}

/** Without self-registered clients: applied elsewhere, the file would vouch for them as an operator. */
const isDeclared = ({ selfRegistered }: ClientView) => !selfRegistered

const serverItem = (server: object) => omit(server, 'createdAt', 'updatedAt')

const clientItem = ({ clientId, metadata, disabled }: ClientView): StoredItem => ({
  client_id: clientId,
  ...metadata,
  disabled,
})

const accountItem = (account: Account): StoredItem => ({
  email: account.email,
  email_verified: account.emailVerified,
  ...present({ username: account.username, name: account.name }),
  roles: account.roles,
  disabled: account.disabled,
})

/** Including disabled ones. */
function clientPages(
  { clients, clock }: Capabilities,
  tenant: string,
): AsyncGenerator<ClientView[]> {
  const at = clock.now()
  return pagesOf(async (last: ClientView | undefined) => {
    const page = { at, after: last?.clientId, limit: pageSize }
    return (await clients.views.page(tenant, {}, page)).rows
  })
}

function accountPages({ accounts }: Capabilities, tenant: string): AsyncGenerator<Account[]> {
  return pagesOf((last: Account | undefined) =>
    accounts.lists.page(tenant, { after: last?.email, limit: pageSize }),
  )
}

async function* pagesOf<Item>(
  pageAfter: (last: Item | undefined) => Promise<Item[]>,
): AsyncGenerator<Item[]> {
  let last: Item | undefined
  for (;;) {
    const page = await pageAfter(last)
    yield page
    last = page.at(-1)
    if (page.length < pageSize) return
  }
}

/** An object without some of its members. */
export function omit(object: object, ...names: string[]): StoredItem {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
}
