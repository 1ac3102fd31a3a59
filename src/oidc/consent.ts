import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { type Client, type ClientMetadata, checkedMetadata } from '../clients/client.ts'
import { receiverOf } from '../clients/redirect-uri.ts'
import { liveGrantKey } from '../grants/grants.ts'
import { derivedId } from '../secrets/handle.ts'
import { isUniqueViolation } from '../storage/violations.ts'
import { accountClientId } from './account-client.ts'
import { rememberedPerson } from './authorization-request.ts'
import type { IssuerContext } from './capabilities.ts'
import type { ResourceAccess } from './resource-access.ts'

type EngineGrant = InstanceType<Provider['Grant']> & { shown?: ShownClient }

/** What a person saw of a client that nobody vouches for: its name, and who got their answers (`receiverOf`). */
export interface ShownClient {
  name?: string | undefined
  receivers: string[]
}

/** A client as a consent shows it. @param redirectUri absent for a device */
const shownClient = (
  { client_name: name }: Pick<ClientMetadata, 'client_name'>,
  redirectUri: string | undefined,
): ShownClient => ({
  name,
  receivers: redirectUri === undefined ? [] : [receiverOf(redirectUri)],
})

/** The same, if nobody vouches for the client; else undefined. */
export function unvouched(
  client: Client | undefined,
  redirectUri: string | undefined,
): ShownClient | undefined {
  const metadata = client?.selfRegistered ? checkedMetadata(client).data : undefined
  return metadata && shownClient(metadata, redirectUri)
}

/** Names in a form what its page showed. */
export const markOf = (shown: ShownClient) => derivedId(JSON.stringify(shown))

/** Has the engine store `shown` with a grant, beside the members that it knows. */
export function keepWhatWasShown({ Grant }: Provider): void {
  const { IN_PAYLOAD: known } = Grant as unknown as { IN_PAYLOAD: string[] }
  const members = [...known, 'shown']
  Object.defineProperty(Grant, 'IN_PAYLOAD', { get: () => members })
}

/**
 * Whether a client has another name than it had when it was allowed something, or its answer goes where none was
 * allowed to go. A client that registered itself, or is a document, may change both at any time.
 */
export function isShownOtherwise({
  oidc: { client, params, entities },
}: KoaContextWithOIDC): boolean {
  if (client?.['registered_by'] !== 'self') return false
  const { shown } = (entities.Grant ?? {}) as Partial<EngineGrant>
  const now = shownClient(client.metadata(), params?.['redirect_uri'] as string)
  const isAllowed = (receiver: string) => shown?.receivers.includes(receiver) === true
  return shown?.name !== now.name || !now.receivers.every(isAllowed)
}

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

/** The details of a consent in an audit event, whether requested or given. */
export function auditedConsent({ openidScopes, resources }: Consent) {
  const scopes = new Set([...openidScopes, ...Object.values(resources).flat()])
  return { scopes: [...scopes].toSorted(), resources: Object.keys(resources) }
}

/**
 * Adds what a user allowed to what they allowed before.
 * @param shown only for a client that no operator vouches for
 * @returns the grant's id; undefined if the user was signed out everywhere, disabled or deleted concurrently
 */
export async function rememberConsent(
  { tenant, clock, accounts, grants, database, audit, clientDocuments }: IssuerContext,
  provider: Provider,
  { accountId, clientId }: { accountId: string; clientId: string },
  allowed: Consent,
  shown?: ShownClient,
): Promise<string | undefined> {
  const decidedAt = clock.now()
  async function widen(): Promise<string | undefined> {
    // In the order in which revocations lock; who revokes later finds the grant.
    if (!(await accounts.holdSignIn(tenant, accountId, decidedAt))) return undefined
    await clientDocuments.keep(tenant, clientId)
    const id = await grants.between(tenant, accountId, clientId, 'for update')
    const grant: EngineGrant =
      (id === undefined ? undefined : await provider.Grant.find(id)) ??
      new provider.Grant({ accountId, clientId })
    if (shown) grant.shown = besides(grant.shown, shown)
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

/** Under another name it counts as another client, whose receivers must be allowed anew. */
function besides(before: ShownClient | undefined, now: ShownClient): ShownClient {
  if (!before || before.name !== now.name) return now
  return { ...now, receivers: [...new Set([...before.receivers, ...now.receivers])] }
}
