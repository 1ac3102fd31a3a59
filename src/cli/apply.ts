import { z } from 'zod'
import type { DeclaredClient } from '../clients/clients.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { algsOf } from '../oidc/client-check.ts'
import { requiredAlgs, type SigningAlg } from '../signing/signing-key.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { applyDocument, checkApplyFile, type Sections } from './apply-file.ts'
import { type ApplyResult, type Change, renderApply } from './apply-output.ts'
import type { Command } from './command.ts'
import { readDocument } from './document.ts'
import { describeFailure } from './failure.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  document: applyDocument,
  plan: z.boolean(),
})

type Input = z.infer<typeof input>

/** `apply`: see `ApplyResult`. All in one transaction, which `--plan` rolls back: a plan is what apply would do. */
export const apply: Command<Input, ApplyResult> = {
  input,
  async prepare(args, io) {
    const { tenant } = tenantOption(args)
    const file = await readDocument(args.operands[0] ?? '-', io, 'apply_invalid')
    const document = await checkApplyFile(file, tenant, io.env)
    return { tenant, document, plan: args.options['plan'] === true }
  },
  async execute(core, { tenant, document, plan }) {
    await assertTenant(core, tenant)
    const scopes = [{ id: tenant, ...document }, ...document.tenants]
    const documents = await core.clients.prepare(
      scopes.flatMap(({ id, clients }) =>
        clients.map((declaration) => ({ tenant: id, declaration })),
      ),
    )
    const work: Work = { core, documents, changes: [], secrets: [], faults: [] }
    await core.database.unit(async (unit) => {
      await unit.open()
      // Two files at once would wait for each other's rows in another order.
      await core.database.query(
        `select pg_advisory_xact_lock(hashtextextended('keyturn apply', 0))`,
      )
      if (policyMembers.some((member) => document[member] !== undefined)) {
        const outcome = (await declareOwn(work, { id: tenant, ...document }))
          ? 'updated'
          : 'unchanged'
        work.changes.push({ tenant, kind: 'tenant', id: tenant, outcome })
      }
      await declareTenants(work, document.tenants)
      for (const scope of scopes) {
        await declareSections(work, scope)
        await declareWebhooks(work, scope)
      }
      for (const scope of scopes) await checkReferences(work, scope)
      if (work.faults.length > 0) throw refused(work)
      return !plan
    })
    return resultOf(work, plan)
  },
  render: renderApply,
}

interface Work {
  core: Capabilities
  documents: Awaited<ReturnType<Capabilities['clients']['prepare']>>
  changes: Change[]
  secrets: ApplyResult['client_secrets']
  faults: string[]
}

/** What a file may say of a tenant that is there already, at its top. */
const policyMembers = ['sign_up', 'require_mfa', 'email_codes'] as const

type Scope = Sections & { id: string }

async function declareTenants(work: Work, tenants: Input['document']['tenants']): Promise<void> {
  const { core, changes } = work
  const known = new Set((await core.tenants.list()).map(({ id }) => id))
  for (const { id, name, ...sections } of tenants) {
    const declared = await core.tenants.declare({ id, name })
    const changed = (await declareOwn(work, { id, ...sections })) || declared
    const outcome = known.has(id) ? (changed ? 'updated' : 'unchanged') : 'created'
    changes.push({ tenant: id, kind: 'tenant', id, outcome })
    // What a tenant begins with signs at once; an algorithm that comes later waits until verifiers know its key.
    if (!known.has(id)) await core.signing.ensure(id, [...requiredAlgs, ...algsIn(sections)])
  }
}

/** What a file says of a tenant itself; whether anything changed. */
async function declareOwn(
  { core: { tenants, audit } }: Work,
  { id, sign_up, require_mfa, email_codes }: Scope,
): Promise<boolean> {
  const signUpChanged = sign_up !== undefined && (await tenants.declareSignUp(id, sign_up))
  const changed = await tenants.setPolicy(id, { requireMfa: require_mfa, emailCodes: email_codes })
  if (!changed) return signUpChanged
  const detail = { by: 'operator', require_mfa, email_codes }
  await audit.record(id, { type: 'tenant.policy_changed', detail })
  return true
}

/** The algorithms that tokens and other answers are to be signed with. */
function algsIn({ resource_servers: servers, clients }: Sections): SigningAlg[] {
  const jwts = servers.filter(({ access_token_format: format }) => format === 'jwt')
  return [...jwts.map((server) => server.access_token_signing_alg), ...clients.flatMap(algsOf)]
}

async function declareSections(work: Work, scope: Scope): Promise<void> {
  const { core, documents, changes, secrets } = work
  const { id: tenant } = scope
  for (const server of scope.resource_servers) {
    const { identifier: id } = server
    await collect(work, `resource server ${id}`, async () => {
      const outcome = await core.resources.declare(tenant, server)
      changes.push({ tenant, kind: 'resource_server', id, outcome })
    })
  }
  for (const client of scope.clients) {
    await collect(work, `client ${client.client_id}`, async () => {
      const declared: DeclaredClient = await core.clients.declare(tenant, client, documents)
      const { outcome, clientId: id, clientSecret } = declared
      changes.push({ tenant, kind: 'client', id, outcome })
      if (clientSecret !== undefined) {
        secrets.push({ tenant, client_id: id, client_secret: clientSecret })
      }
    })
  }
  for (const account of scope.accounts) {
    await collect(work, `account ${account.email}`, async () => {
      const outcome = await declareAccount(core, tenant, account)
      changes.push({ tenant, kind: 'account', id: account.email, outcome })
    })
  }
}

async function declareWebhooks(work: Work, { id: tenant, webhooks }: Scope): Promise<void> {
  for (const webhook of webhooks) {
    await collect(work, `webhook ${webhook.url}`, async () => {
      const outcome = await work.core.webhooks.declare(tenant, webhook)
      work.changes.push({ tenant, kind: 'webhook', id: webhook.url, outcome })
    })
  }
}

async function declareAccount(
  core: Capabilities,
  tenant: string,
  { email_verified: emailVerified, disabled, ...wanted }: Sections['accounts'][number],
): Promise<Change['outcome']> {
  const declared = await core.accounts.declare(tenant, { ...wanted, emailVerified })
  const outcome = declared === 'password_changed' ? 'updated' : declared
  const account = await core.accounts.byIdentifier(tenant, wanted.email)
  if (!account) return outcome
  if (declared === 'password_changed') await core.revocations.passwordChanged(account)
  if (disabled === undefined) return outcome
  const changed = await core.revocations.setAccountDisabled(account, disabled)
  return changed && outcome === 'unchanged' ? 'updated' : outcome
}

async function collect(work: Work, what: string, declare: () => Promise<void>): Promise<void> {
  try {
    await declare()
  } catch (error) {
    if (!isDomainError(error)) throw error
    const faults = faultsIn(error)?.map((fault) => `${what}: ${fault}`)
    if (!faults) throw error
    work.faults.push(...faults)
    // Postgres has refused a statement: nothing else can be tried in this transaction.
    if (error.code === 'account_exists') throw refused(work)
  }
}

function refused({ faults }: Work): DomainError {
  return new DomainError('apply_invalid', { detail: { faults } })
}

/** What is wrong with the item; undefined when the error is not about it. */
function faultsIn(error: DomainError): string[] | undefined {
  const { code, detail } = error
  const { faults, expected } = typeof detail === 'object' ? detail : {}
  switch (code) {
    case 'account_exists':
      return ['its e-mail address or user name is of another account']
    case 'password_policy':
      return [`password: expected ${String(expected)}`]
    case 'apply_invalid':
    case 'client_invalid':
    case 'resource_server_invalid':
      return Array.isArray(faults) ? faults.map(String) : [describeFailure(error)]
    default:
      return undefined
  }
}

/** What names something that is neither in the file nor stored is a mistake in writing. */
async function checkReferences({ core, faults }: Work, scope: Scope): Promise<void> {
  const clients = new Set((await core.clients.list(scope.id)).map(({ clientId }) => clientId))
  const resources = new Set([
    ...(await core.resources.list(scope.id)).map(({ identifier }) => identifier),
    issuerOf(core.config.issuer, scope.id),
  ])
  for (const { identifier, introspection_clients } of scope.resource_servers) {
    for (const id of introspection_clients.filter((name) => !clients.has(name))) {
      faults.push(`resource server ${identifier}: introspection_clients: there is no client ${id}`)
    }
  }
  for (const { client_id, resources: wanted = [] } of scope.clients) {
    for (const id of wanted.filter((name) => !resources.has(name))) {
      faults.push(`client ${client_id}: resources: there is no resource server ${id}`)
    }
  }
}

function resultOf({ changes, secrets }: Work, plan: boolean): ApplyResult {
  const count = (outcome: Change['outcome']) =>
    changes.filter((change) => change.outcome === outcome).length
  return {
    plan,
    created: count('created'),
    updated: count('updated'),
    unchanged: count('unchanged'),
    changes,
    // A secret of a plan was rolled back with it.
    client_secrets: plan ? [] : secrets,
  }
}
