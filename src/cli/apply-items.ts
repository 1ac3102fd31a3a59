import { secretsOf } from '../clients/client.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { algsOf } from '../oidc/client-check.ts'
import { requiredAlgs, type SigningAlg } from '../signing/signing-key.ts'
import { chunksOf } from '../storage/chunks.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { ApplyDocument, Sections } from './apply-file.ts'
import { collect, type Declared, type Scope, settleChanges, type Work } from './apply-work.ts'
import { memberChanges } from './difference.ts'
import { identities, keyOf, type StoredItem, storedAccounts, storedClients } from './stored.ts'

const policyMembers = ['sign_up', 'require_mfa', 'email_codes', 'registration'] as const

/** Tenants come first: everything else belongs to one. */
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
    // What a tenant begins with signs at once; an algorithm that comes later waits until verifiers know its key.
    if (!before) await core.signing.ensure(id, [...requiredAlgs, ...algsIn(sections)])
  }
}

/** What the top of the file says of its tenant, which exists already. */
export async function declareOwn(work: Work, scope: Scope): Promise<void> {
  if (policyMembers.every((member) => scope[member] === undefined)) return
  const outcome = (await declarePolicy(work, scope)) ? 'updated' : 'unchanged'
  work.declared.push({ tenant: scope.id, section: 'tenants', id: scope.id, outcome })
}

/** What holds for everybody in a tenant; whether anything changed. */
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

/** The algorithms that tokens and other answers are to be signed with. */
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
  const clients = {
    section: 'clients',
    stored: (ids: string[]) => storedClients(core, tenant, ids),
    declare: (client: Sections['clients'][number], before: StoredItem | undefined) =>
      declareClient(work, tenant, client, before?.['disabled'] === true),
  } as const
  await declareMany(work, tenant, scope.clients, clients)
  const accounts = {
    section: 'accounts',
    stored: (emails: string[]) => storedAccounts(core, tenant, emails),
    declare: (account: Sections['accounts'][number]) => declareAccount(core, tenant, account),
  } as const
  await declareMany(work, tenant, scope.accounts, accounts)
  for (const webhook of scope.webhooks) {
    const { url: id } = webhook
    await collect(work, `webhook ${id}`, async () => {
      const outcome = await core.webhooks.declare(tenant, webhook)
      declared.push({ tenant, section: 'webhooks', id, outcome })
    })
  }
}

/** So many at a time that what was stored and what is now is never there of all at once. */
async function declareMany<Item extends object>(
  work: Work,
  tenant: string,
  items: readonly Item[],
  {
    section,
    stored,
    declare,
  }: {
    section: 'clients' | 'accounts'
    stored(ids: string[]): Promise<StoredItem[]>
    declare(item: Item, before: StoredItem | undefined): Promise<Outcome>
  },
): Promise<void> {
  const nameOf = (item: object) => String((item as StoredItem)[identities[section]])
  const keyedBy = async (ids: string[]) =>
    new Map((await stored(ids)).map((item) => [keyOf(section, nameOf(item)), item]))
  for (const some of chunksOf(items)) {
    const before = await keyedBy(some.map(nameOf))
    const done: Declared[] = []
    for (const item of some) {
      const id = nameOf(item)
      await collect(work, `${section.slice(0, -1)} ${id}`, async () => {
        done.push({ tenant, section, id, ...(await declare(item, before.get(keyOf(section, id)))) })
      })
    }
    const changed = done.filter(({ outcome }) => outcome !== 'unchanged')
    const after = changed.length === 0 ? before : await keyedBy(changed.map(({ id }) => id))
    for (const each of done) {
      const key = keyOf(section, each.id)
      const isChanged = each.outcome !== 'unchanged'
      const members = isChanged
        ? memberChanges(before.get(key), after.get(key) ?? {}, each.secret)
        : []
      work.declared.push({ ...each, members })
    }
    if (changed.length > 0) await settleChanges(work.core)
  }
}

type Outcome = Pick<Declared, 'outcome' | 'secret'>

async function declareClient(
  { core, documents, secrets }: Work,
  tenant: string,
  { disabled, ...client }: Sections['clients'][number],
  wasDisabled: boolean,
): Promise<Outcome> {
  const done = await core.clients.declare(tenant, client, documents)
  const { clientId: id, clientSecret } = done
  if (clientSecret !== undefined) {
    secrets.push({ tenant, client_id: id, client_secret: clientSecret })
  }
  // To disable what is disabled would deny its tokens anew: a second apply would change something.
  const changed =
    disabled !== undefined &&
    disabled !== wasDisabled &&
    (await core.revocations.setClientDisabled(tenant, id, disabled))
  const hasSecret = secretsOf(client.token_endpoint_auth_method) !== 'none'
  return {
    outcome: changed && done.outcome === 'unchanged' ? 'updated' : done.outcome,
    secret: done.secretChanged && hasSecret ? 'client_secret' : undefined,
  }
}

async function declareAccount(
  core: Capabilities,
  tenant: string,
  {
    email_verified: emailVerified,
    password_hash: passwordHash,
    disabled,
    ...wanted
  }: Sections['accounts'][number],
): Promise<Outcome> {
  const done = await core.accounts.declare(tenant, { ...wanted, passwordHash, emailVerified })
  const given = wanted.password !== undefined || passwordHash !== undefined
  const isNews = done === 'password_changed' || (done === 'created' && given)
  const secret = isNews ? ('password' as const) : undefined
  const outcome = done === 'password_changed' ? 'updated' : done
  const account = await core.accounts.byIdentifier(tenant, wanted.email)
  if (!account) return { outcome, secret }
  if (done === 'password_changed') await core.revocations.passwordChanged(account)
  if (disabled === undefined || disabled === account.disabled) return { outcome, secret }
  const changed = await core.revocations.setAccountDisabled(account, disabled)
  return { outcome: changed && outcome === 'unchanged' ? 'updated' : outcome, secret }
}
