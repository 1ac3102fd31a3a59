import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { liveGrantKey } from '../grants/grants.ts'
import { isUniqueViolation } from '../storage/violations.ts'
import { accountClientId } from './account-client.ts'
import { rememberedPerson } from './authorization-request.ts'
import type { IssuerContext } from './capabilities.ts'
import type { ResourceAccess } from './resource-access.ts'

type EngineGrant = InstanceType<Provider['Grant']>

/** What a person is asked to allow, or has allowed. */
export interface Consent {
  openidScopes: string[]
  openidClaims: string[]
  /** Scopes by resource. */
  resources: Record<string, string[]>
}

/** The grant that an authorization request can rely on: remembered across sessions and devices. */
export async function loadGrant(
  { tenant, grants }: IssuerContext,
  access: ResourceAccess,
  ctx: KoaContextWithOIDC,
): Promise<EngineGrant | undefined> {
  const { account, client, provider } = ctx.oidc
  if (!account || !client) return undefined
  if (client.clientId === accountClientId) {
    const own = new provider.Grant({ accountId: account.accountId, clientId: client.clientId })
    own.addOIDCScope('openid')
    own.addResourceScope((await access.default()).identifier, 'openid')
    return own
  }
  const person = rememberedPerson(account.accountId, client.clientId)
  const id = person
    ? person.grant?.id
    : await grants.between(tenant, account.accountId, client.clientId)
  return id === undefined ? undefined : await provider.Grant.find(id)
}

/** What an event says of a consent, asked for or given. */
export function auditedConsent({ openidScopes, resources }: Consent) {
  const scopes = new Set([...openidScopes, ...Object.values(resources).flat()])
  return { scopes: [...scopes].toSorted(), resources: Object.keys(resources) }
}

/**
 * Remembers what a person allowed, beside what was allowed before.
 * @returns the grant's id; undefined for who was signed out everywhere, disabled or deleted meanwhile
 */
export async function rememberConsent(
  { tenant, clock, accounts, grants, database, audit, clientDocuments }: IssuerContext,
  provider: Provider,
  { accountId, clientId }: { accountId: string; clientId: string },
  allowed: Consent,
): Promise<string | undefined> {
  const decidedAt = clock.now()
  async function widen(): Promise<string | undefined> {
    // In the order in which revocations lock; who revokes later finds the grant.
    if (!(await accounts.holdSignIn(tenant, accountId, decidedAt))) return undefined
    await clientDocuments.keep(tenant, clientId)
    const id = await grants.between(tenant, accountId, clientId, 'for update')
    const grant =
      (id === undefined ? undefined : await provider.Grant.find(id)) ??
      new provider.Grant({ accountId, clientId })
    if (allowed.openidScopes.length > 0) grant.addOIDCScope(allowed.openidScopes.join(' '))
    if (allowed.openidClaims.length > 0) grant.addOIDCClaims(allowed.openidClaims)
    for (const [resource, scopes] of Object.entries(allowed.resources)) {
      grant.addResourceScope(resource, scopes.join(' '))
    }
    const saved = await grant.save()
    await audit.record(tenant, {
      type: 'consent.given',
      accountId,
      clientId,
      detail: auditedConsent(allowed),
    })
    return saved
  }
  const inOne = () => database.transaction(widen)
  return inOne().catch((error: unknown) => {
    // Two tabs consented at the same moment: the second one widens what the first one made.
    if (isUniqueViolation(error, liveGrantKey)) return inOne()
    throw error
  })
}
