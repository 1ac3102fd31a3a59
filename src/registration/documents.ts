import type { Config } from '../../config/config.ts'
import { networkOf } from '../attempts/network.ts'
import type { Audit } from '../audit/audit.ts'
import { setBounded } from '../bounded-map.ts'
import type { Client, ClientMetadata } from '../clients/client.ts'
import type { Clients } from '../clients/clients.ts'
import type { SectorDocuments } from '../clients/sector-documents.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Limiter } from '../limits/limiter.ts'
import { currentOrigin } from '../origin.ts'
import type { Platform } from '../platform.ts'
import { derivedId } from '../secrets/handle.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { createCache } from '../storage/cache.ts'
import { isAllowed } from './asked-metadata.ts'
import { declarationIn } from './document.ts'
import { createDocumentCopies } from './document-copies.ts'
import { invalid } from './document-fetch.ts'
import { documentUrlFault, namesDocument } from './document-url.ts'
import { type Copy, createDocumentStore, type StoredDocument } from './documents.store.ts'
import type { RegistrationPolicies } from './policies.ts'
import type { RegistrationPolicy } from './policy.ts'
import { createRegisteredClientStore, roomFor } from './registered-clients.ts'
import { assertSigned } from './signed-answers.ts'

/**
 * Clients whose `client_id` is the URL of a metadata document (OAuth Client ID Metadata Document). A document is only
 * kept in memory until a user allows the client something; then the client becomes a row.
 */
export interface ClientDocuments {
  /**
   * Brings what is known of a client up to date with its document, where its `client_id` names one.
   * @param about network: charged for fetching documents of clients that nobody has used yet; absent: not fetched
   * @returns whether there may be such a client
   * @throws DomainError `client_document_invalid`, `client_document_unavailable`, `too_many_requests`
   */
  settle(tenant: string, clientId: string, about: { network: string | undefined }): Promise<boolean>
  /** An enabled client, including one whose document was settled before but is not stored. */
  find(tenant: string, clientId: string): Promise<Client | undefined>
  /**
   * Stores a client that a person allows something, in the transaction of this context.
   * @throws DomainError `registration_full`
   */
  keep(tenant: string, clientId: string): Promise<void>
}

interface Dependencies extends Pick<Platform, 'database' | 'clock' | 'fetch'> {
  config: Pick<Config, 'allowLoopbackFetch'>
  clients: Clients
  policies: RegistrationPolicies
  signing: Pick<SigningKeys, 'current'>
  limiter: Limiter
  audit: Audit
}

/** A client as derived from its document and the policy. */
interface Derived {
  metadata: ClientMetadata
  copy: Copy
  policy: string
}

const mostDerived = 1000

export function createClientDocuments(deps: Dependencies): ClientDocuments {
  const { config, database, clients, policies, signing, audit } = deps
  const store = createDocumentStore(deps)
  const registered = createRegisteredClientStore(deps)
  const copies = createDocumentCopies(deps)
  const cache = createCache<StoredDocument | 'declared' | undefined>(deps, {
    maxAge: 0.5,
    maxSize: 1000,
  })
  const derived = new Map<string, Derived>()
  const key = (tenant: string, clientId: string) => JSON.stringify([tenant, clientId])

  async function derive(
    tenant: string,
    clientId: string,
    copy: Copy,
    policy: RegistrationPolicy,
  ): Promise<Derived> {
    const at = key(tenant, clientId)
    const known = derived.get(at)
    const name = nameOf(policy)
    if (known?.policy === name && known.copy.fetchedAt === copy.fetchedAt) return known
    const declaration = declarationIn(copy.members, clientId, policy)
    await assertSigned(signing, tenant, declaration)
    const fresh = { metadata: await clients.examine(tenant, declaration), copy, policy: name }
    setBounded(derived, at, fresh, mostDerived)
    return fresh
  }

  /** Applies a new document, or a new policy, to the stored client at once. */
  async function follow(tenant: string, clientId: string, { copy, ...made }: Derived) {
    await database.transaction(async () => {
      if (await store.follow(tenant, clientId, copy, made)) {
        await audit.record(tenant, { type: 'client.changed', clientId })
      }
    })
    cache.drop(key(tenant, clientId))
    clients.changed(tenant, clientId)
  }

  async function usable(tenant: string, clientId: string): Promise<Derived | undefined> {
    const policy = await policies.of(tenant)
    const known = derived.get(key(tenant, clientId))
    return isTaken(clientId, policy) && known?.policy === nameOf(policy) ? known : undefined
  }

  return {
    async settle(tenant, clientId, { network }) {
      if (!namesDocument(clientId)) return true
      const policy = await policies.of(tenant)
      const stored = await cache.get(key(tenant, clientId), () => store.load(tenant, clientId))
      if (stored === 'declared') return true
      if (stored?.disabled || !isTaken(clientId, policy)) return false
      const isSame = stored?.policy === nameOf(policy)
      if (stored && isSame && stored.freshUntil > deps.clock.now()) return true
      // In a transaction nothing is fetched, as it holds a connection: the next request refreshes the copy.
      if (database.current()?.isOpen()) return stored !== undefined
      const fault = documentUrlFault(clientId, { allowLoopback: config.allowLoopbackFetch })
      if (fault !== undefined) throw invalid(clientId, `client_id: ${fault}`, clientId)
      const copy = await copies.get(clientId, stored, { network })
      if (!copy) return false
      const made = await derive(tenant, clientId, copy, policy).catch((error: unknown) => {
        throw asFault(clientId, error)
      })
      const isNews = !isSame || copy.fetchedAt > (stored?.fetchedAt ?? 0)
      if (stored && isNews) await follow(tenant, clientId, made)
      return true
    },

    async find(tenant, clientId) {
      const client = await clients.find(tenant, clientId)
      if (client || !namesDocument(clientId)) return client
      // A stored client that `clients` does not find is disabled.
      const stored = await cache.get(key(tenant, clientId), () => store.load(tenant, clientId))
      const made = stored === undefined ? await usable(tenant, clientId) : undefined
      const { metadata } = made ?? {}
      return metadata && { tenant, clientId, metadata, secrets: [], ...ofNobody }
    },

    async keep(tenant, clientId) {
      if (!namesDocument(clientId) || (await store.load(tenant, clientId))) return
      const made = await usable(tenant, clientId)
      if (!made) throw new DomainError('client_not_found', { detail: { client_id: clientId } })
      const policy = await policies.of(tenant)
      const { metadata, copy } = made
      try {
        await clients.declare(tenant, metadata, ownSector, 'new')
      } catch (error) {
        // Another request stored it at the same moment.
        if (isDomainError(error, 'already_exists')) return
        throw error
      }
      const { ip } = currentOrigin()
      const network = ip === undefined ? undefined : networkOf(ip)
      const room = { ...roomFor(policy, network), byDocument: true }
      const gone = await registered.add(tenant, clientId, room)
      await store.add(tenant, clientId, copy, made)
      const detail = { mode: 'document' as const }
      await audit.record(tenant, { type: 'client.registered', clientId, detail })
      if (gone !== undefined) {
        await audit.record(tenant, { type: 'client.expired', clientId: gone })
      }
      for (const id of gone === undefined ? [clientId] : [clientId, gone]) {
        cache.drop(key(tenant, id))
        clients.changed(tenant, id)
      }
    },
  }
}

/** A document is in the sector of its own host (`declarationIn`): nothing to fetch. */
const ownSector: SectorDocuments = { faultOf: async () => undefined }

const ofNobody = { selfRegistered: true, fromDocument: true } as const

function isTaken(clientId: string, policy: RegistrationPolicy): boolean {
  const { client_id_metadata_documents: isOn, client_id_metadata_document_hosts: hosts } = policy
  return isOn && (hosts === undefined || isAllowed(clientId, hosts))
}

const nameOf = (policy: RegistrationPolicy) => derivedId(JSON.stringify(policy))

/** Turns the faults that would refuse a registration into a refused document. */
function asFault(clientId: string, error: unknown): unknown {
  const isMeant =
    isDomainError(error, 'client_metadata_invalid') ||
    isDomainError(error, 'redirect_uri_invalid') ||
    isDomainError(error, 'client_invalid')
  if (!isMeant) return error
  const { faults } = error.detail as { faults: unknown[] }
  return invalid(clientId, 'valid client metadata', faults.map(String).join('; '))
}
