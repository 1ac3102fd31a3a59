import { type Account, identifierKey } from '../accounts/account.ts'
import type { ClientView } from '../clients/client-views.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import type { RegistrationPolicy } from '../registration/policy.ts'
import type { SignUp } from '../tenants/tenant.ts'

/** What is stored of a tenant, in the form of the apply file: without secrets and password hashes. */
export interface StoredSections {
  resource_servers: StoredItem[]
  clients: StoredItem[]
  accounts: StoredItem[]
  webhooks: StoredItem[]
}

export type ItemSection = keyof StoredSections

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

/** The members of one item, as an apply file would declare it. */
export type StoredItem = Record<string, unknown>

/** What names the items of a section. */
export const identities = {
  resource_servers: 'identifier',
  clients: 'client_id',
  accounts: 'email',
  webhooks: 'url',
} as const

/** Two items with one key are one: addresses that differ in their case are the same. */
export function keyOf(section: keyof typeof identities, id: string): string {
  return section === 'accounts' ? identifierKey(id) : id
}

/**
 * Until the transaction of this context ends: no apply goes on beside another, nor while an export reads, which would
 * see half of it. Two applies at once would also wait for each other's rows in another order.
 */
export async function lockDeclared(core: Capabilities, mode: 'shared' | 'alone'): Promise<void> {
  const lock = mode === 'shared' ? 'pg_advisory_xact_lock_shared' : 'pg_advisory_xact_lock'
  await core.database.query(`select ${lock}(hashtextextended('keyturn apply', 0))`)
}

const all = { limit: 2 ** 31 - 1 }

/** Rows of one statement: one for all would take longer than one may. */
const pageSize = 1000

/** The clients and accounts of a tenant that somebody asks for: as few as a file has, among any number. */
export interface Named {
  clients: string[]
  accounts: string[]
}

/**
 * Reads past caches, in the transaction of this context when there is one; disabled clients, too.
 * @param named all when absent
 */
export async function storedSections(
  core: Capabilities,
  tenant: string,
  named?: Named,
): Promise<StoredSections> {
  const at = core.clock.now()
  const { views } = core.clients
  const servers = await core.resources.page(tenant, all)
  const clients = await (named
    ? views.named(tenant, named.clients, at)
    : collected(allClients(core, tenant)))
  const accounts = await (named
    ? core.accounts.lists.named(tenant, named.accounts)
    : collected(allAccounts(core, tenant)))
  return {
    resource_servers: servers.map((server) => omit(server, 'createdAt', 'updatedAt')),
    clients: clients.filter(isDeclared).map(({ clientId, metadata, disabled }) => ({
      client_id: clientId,
      ...metadata,
      disabled,
    })),
    accounts: accounts.map(declarationOf),
    webhooks: (await core.webhooks.list(tenant)).map((webhook) => ({ ...webhook })),
  }
}

/** Every tenant with what holds for everybody in it. */
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

/** The names of all items of a tenant, in the order of the sections; no more than a page of items is there at once. */
export async function* storedNames(
  core: Capabilities,
  tenant: string,
): AsyncGenerator<[section: ItemSection, id: string]> {
  for (const { identifier } of await core.resources.page(tenant, all)) {
    yield ['resource_servers', identifier]
  }
  for await (const client of allClients(core, tenant)) {
    if (isDeclared(client)) yield ['clients', client.clientId]
  }
  for await (const { email } of allAccounts(core, tenant)) yield ['accounts', email]
  for (const { url } of await core.webhooks.list(tenant)) yield ['webhooks', url]
}

/** Who registered itself would be one that an operator vouches for where the file is applied. */
const isDeclared = ({ selfRegistered }: ClientView) => !selfRegistered

function allClients({ clients, clock }: Capabilities, tenant: string): AsyncGenerator<ClientView> {
  const at = clock.now()
  return allOf((last: ClientView | undefined) =>
    clients.views.page(tenant, {}, { at, after: last?.clientId, limit: pageSize }),
  )
}

function allAccounts({ accounts }: Capabilities, tenant: string): AsyncGenerator<Account> {
  return allOf((last: Account | undefined) =>
    accounts.lists.page(tenant, { after: last?.email, limit: pageSize }),
  )
}

async function* allOf<Item>(
  pageAfter: (last: Item | undefined) => Promise<Item[]>,
): AsyncGenerator<Item> {
  let last: Item | undefined
  for (;;) {
    const page = await pageAfter(last)
    yield* page
    last = page.at(-1)
    if (page.length < pageSize) return
  }
}

async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

function declarationOf(account: Account): StoredItem {
  return {
    email: account.email,
    email_verified: account.emailVerified,
    ...present({ username: account.username, name: account.name }),
    roles: account.roles,
    disabled: account.disabled,
  }
}

/** An object without some of its members. */
export function omit(object: object, ...names: string[]): StoredItem {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
}
