import { algsOf } from '../oidc/client-check.ts'
import { newNames } from '../resources/known-names.ts'
import { requiredAlgs, type SigningAlg } from '../signing/signing-key.ts'
import { chunksOf } from '../storage/chunks.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { declareAccounts } from './apply-accounts.ts'
import { declareClients } from './apply-clients.ts'
import type { ApplyDocument, Sections } from './apply-file.ts'
import { collect, type Outcome, type Scope, settleChanges, type Work } from './apply-work.ts'
import { memberChanges } from './difference.ts'
import { identities, keyOf, type StoredItem, storedAccounts, storedClients } from './stored.ts'

const policyMembers = ['sign_up', 'require_mfa', 'email_codes', 'registration'] as const

/** Declares tenants first, since everything else belongs to one. */
export async function declareTenants(work: Work, tenants: ApplyDocument['tenants']): Promise<void> {
  const { core, declared } = work
  const known = new Map((await core.tenants.list()).map((tenant) => [tenant.id, tenant]))
  for (const { id, name, disabled, ...sections } of tenants) {
    const before = known.get(id)
    const renamed = await core.tenants.declare({ id, name })
    let changed = (await declarePolicy(work, { id, ...sections })) || renamed
    if (disabled !== undefined && disabled !== (before?.disabled ?? false)) {
      if (id === defaultTenant) {
        work.faults.push(`tenant ${id}: disabled: the default tenant cannot be disabled`)
      } else changed = (await core.revocations.setTenantDisabled(id, disabled)) || changed
    }
    const outcome = before ? (changed ? 'updated' : 'unchanged') : 'created'
    declared.push({ tenant: id, section: 'tenants', id, outcome })
    // Keys that a new tenant starts with sign at once; those added later wait until verifiers know them.
    if (!before) await core.signing.ensure(id, [...requiredAlgs, ...algsIn(sections)])
  }
}

/** Applies the top-level policy to the file's own tenant, which exists already. */
export async function declareOwn(work: Work, scope: Scope): Promise<void> {
  if (policyMembers.every((member) => scope[member] === undefined)) return
  const outcome = (await declarePolicy(work, scope)) ? 'updated' : 'unchanged'
  work.declared.push({ tenant: scope.id, section: 'tenants', id: scope.id, outcome })
}

/** Sets the policy of a tenant. @returns whether anything changed */
async function declarePolicy(
  { core }: Work,
  { id, sign_up, require_mfa, email_codes, registration }: Scope,
): Promise<boolean> {
  const { tenants, registrationPolicies } = core
  const outcome = registration && (await registrationPolicies.declare(id, registration))
  const registers = outcome !== undefined && outcome !== 'unchanged'
  const signsUp = sign_up !== undefined && (await tenants.declareSignUp(id, sign_up))
  const changed = await tenants.setPolicy(id, { requireMfa: require_mfa, emailCodes: email_codes })
  return changed || signsUp || registers
}

/** Signing algorithms that the declared servers and clients need. */
function algsIn({ resource_servers: servers, clients }: Sections): SigningAlg[] {
  const jwts = servers.filter(({ access_token_format: format }) => format === 'jwt')
  return [...jwts.map((server) => server.access_token_signing_alg), ...clients.flatMap(algsOf)]
}

export async function declareSections(work: Work, scope: Scope): Promise<void> {
  const { core, declared } = work
  const { id: tenant } = scope
  for (const server of scope.resource_servers) {
    const { identifier: id } = server
    await collect(work, `resource server ${id}`, async () => {
      const outcome = await core.resources.declare(tenant, server)
      declared.push({ tenant, section: 'resource_servers', id, outcome })
    })
  }
  await declareMany(work, tenant, scope.clients, {
    section: 'clients',
    stored: (ids) => storedClients(core, tenant, ids),
    declare: (clients, before) => {
      noteNames(work, scope, clients, before)
      return declareClients(work, tenant, clients, before)
    },
  })
  await declareMany(work, tenant, scope.accounts, {
    section: 'accounts',
    stored: (emails) => storedAccounts(core, tenant, emails),
    declare: (accounts, before) => declareAccounts(work, tenant, accounts, before),
  })
  for (const webhook of scope.webhooks) {
    const { url: id } = webhook
    await collect(work, `webhook ${id}`, async () => {
      const outcome = await core.webhooks.declare(tenant, webhook)
      declared.push({ tenant, section: 'webhooks', id, outcome })
    })
  }
}

/** Collects names for `checkReferences` while the stored forms are at hand. */
function noteNames(
  { namings }: Work,
  scope: Scope,
  clients: Sections['clients'],
  before: ReadonlyMap<string, StoredItem>,
): void {
  const named = namings.get(scope) ?? []
  namings.set(scope, named)
  for (const client of clients) {
    const { client_id } = client
    const naming = newNames(client, before.get(client_id))
    if (naming) named.push({ client_id, ...naming })
  }
}

const nameOf = (section: ManySection, item: object) =>
  String((item as StoredItem)[identities[section]])

/** In batches, so that memory never holds all items in both forms. */
async function declareMany<Item extends object>(
  work: Work,
  tenant: string,
  items: readonly Item[],
  {
    section,
    stored,
    declare,
  }: {
    section: ManySection
    stored(ids: string[]): Promise<StoredItem[]>
    /** @returns the outcomes of those without faults */
    declare(items: Item[], before: ReadonlyMap<string, StoredItem>): Promise<Outcome[]>
  },
): Promise<void> {
  const keyedBy = async (ids: string[]) =>
    new Map((await stored(ids)).map((item) => [keyOf(section, nameOf(section, item)), item]))
  for (const some of chunksOf(items)) {
    const before = await keyedBy(some.map((item) => nameOf(section, item)))
    const done = await declare(some, before)
    const changed = done.filter(({ outcome }) => outcome !== 'unchanged')
    const after = changed.length === 0 ? before : await keyedBy(changed.map(({ id }) => id))
    for (const { secret, ...each } of done) {
      const key = keyOf(section, each.id)
      const isChanged = each.outcome !== 'unchanged'
      const members = isChanged ? memberChanges(before.get(key), after.get(key) ?? {}, secret) : []
      work.declared.push({ tenant, section, ...each, secret, members })
    }
    if (changed.length > 0) await settleChanges(work.core)
    await work.progress(some.length)
  }
}

type ManySection = 'clients' | 'accounts'
