import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Audit, AuditEvent } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import { DomainError } from '../errors.ts'
import { faultLine, faultsOf } from '../faults.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { createCache } from '../storage/cache.ts'
import type { Changes } from '../storage/changes.ts'
import { createClientStore } from './client.store.ts'
import {
  type Client,
  type ClientMetadata,
  checkedMetadata,
  clientMetadata,
  isClientId,
  secretFault,
  secretsOf,
} from './client.ts'
import { createClientSecrets, type DeclaredSecret } from './client-secrets.ts'
import { type ClientViews, createClientViews } from './client-views.ts'
import {
  createSectorDocuments,
  needsSectorDocument,
  type SectorDocuments,
} from './sector-documents.ts'

export interface Clients {
  /** An enabled client, or undefined. Changes made on another node show within a second. */
  find(tenant: string, clientId: string): Promise<Client | undefined>
  /** The metadata of an enabled client; undefined also if what is stored is invalid. */
  metadata(tenant: string, clientId: string): Promise<ClientMetadata | undefined>
  /** Enabled ones, in the order of their ids. @param page `after`: the id that the page before ended with */
  page(tenant: string, page: { after?: string | undefined; limit: number }): Promise<Client[]>
  /** Clients as operators see them. */
  readonly views: ClientViews
  /** Whether a secret is one of the client's, compared in constant time. */
  secretFits(client: Client, secret: string): boolean
  /** The valid secrets, newest first; none unless the authentication method needs them readable. */
  readableSecrets(client: Client): string[]
  /**
   * Creates or changes a client as declared. A confidential client that has no secret and declares none gets a
   * generated one, which is returned and cannot be read again.
   * @param documents from `prepare`; if absent, they are fetched here
   * @param only `new`: refuses a client that exists
   * @throws DomainError `client_invalid` naming the member, what was expected and what was received; `already_exists`
   */
  declare(
    tenant: string,
    declaration: unknown,
    documents?: SectorDocuments,
    only?: 'new',
  ): Promise<DeclaredClient>
  /**
   * Checks a declaration as `declare` does, for `put`.
   * @throws DomainError `client_invalid`
   */
  checked(
    tenant: string,
    declaration: unknown,
    documents?: SectorDocuments,
  ): Promise<CheckedDeclaration>
  /**
   * Writes checked clients, in a few statements however many they are. A client that is as declared already is neither
   * written nor locked.
   * @param declarations from `checked`; each client once
   * @returns the outcome of each, in their order
   * @throws DomainError `already_exists`
   */
  put(tenant: string, declarations: CheckedDeclaration[], only?: 'new'): Promise<DeclaredClient[]>
  /**
   * Checks a declaration without storing it.
   * @returns the metadata that would be stored
   * @throws DomainError `client_invalid`
   */
  examine(tenant: string, declaration: unknown): Promise<ClientMetadata>
  /** Drops a client from memory, as its row was changed. */
  changed(tenant: string, clientId: string): void
  /**
   * Fetches the sector documents that declarations need. Call it before a transaction, which would hold a connection
   * meanwhile.
   */
  prepare(declarations: Array<{ tenant: string; declaration: unknown }>): Promise<SectorDocuments>
  /**
   * A new secret; the old ones stay valid for `overlap` seconds.
   * @throws DomainError `client_not_found`, `client_invalid` for a public client
   */
  rotateSecret(tenant: string, clientId: string, overlap: number): Promise<string>
  /** Whether anything changed. @throws DomainError `client_not_found` */
  setDisabled(tenant: string, clientId: string, disabled: boolean): Promise<boolean>
  /** Whether it exists and is disabled. */
  isDisabled(tenant: string, clientId: string): Promise<boolean>
  /** Locks those that exist until the transaction ends: nothing can start under them. @returns their ids */
  lock(tenant: string, clientIds: string[]): Promise<string[]>
  /** Deletes clients with everything they ever got. @throws DomainError `client_not_found` */
  delete(tenant: string, clientIds: string[]): Promise<void>
}

/** A client to declare, and the secret that came with it. */
export type CheckedDeclaration = DeclaredSecret

export interface DeclaredClient {
  outcome: 'created' | 'updated' | 'unchanged'
  clientId: string
  /** Only when one was generated now. */
  clientSecret?: string
  /** Whether its secret was changed or removed. */
  secretChanged: boolean
}

interface Dependencies extends Pick<Platform, 'database' | 'clock' | 'sealer' | 'fetch'> {
  changes: Changes
  audit: Audit
  /** Has the engine validate metadata. @throws DomainError `client_invalid` */
  check(tenant: string, metadata: ClientMetadata): Promise<void>
}

export function createClients(deps: Dependencies): Clients {
  const { database, audit } = deps
  const store = createClientStore(deps)
  const secrets = createClientSecrets(deps)
  const cache = createCache<Client | undefined>(deps, {
    maxAge: 60,
    maxSize: 10_000,
    changes: deps.changes,
  })
  const key = (tenant: string, clientId: string) => `${tenant} ${clientId}`
  deps.changes.follow('client', {
    changed: (tenant, clientId) => cache.drop(key(tenant, clientId)),
    muchChanged: cache.clear,
  })

  // Impossible ids are not looked up: Postgres refuses U+0000, and long names would fill the cache.
  const find: Clients['find'] = async (tenant, clientId) =>
    isClientId(clientId)
      ? cache.get(key(tenant, clientId), () => store.find(tenant, clientId))
      : undefined

  async function assertKnown(tenant: string, clientId: string): Promise<void> {
    if (await store.exists(tenant, clientId)) return
    throw new DomainError('client_not_found', { detail: { client_id: clientId } })
  }

  /** Most clients name no sector and need no look-up. */
  const lacksSectorDocument = async (tenant: string, wanted: ClientMetadata) =>
    wanted.sector_identifier_uri !== undefined &&
    needsSectorDocument(
      wanted,
      (await store.metadata(tenant, [wanted.client_id])).get(wanted.client_id),
    )

  async function checked(
    tenant: string,
    declaration: unknown,
    documents = createSectorDocuments(deps.fetch),
  ): Promise<CheckedDeclaration> {
    const parsed = parse(declaration)
    const { metadata } = parsed
    await deps.check(tenant, metadata)
    if (await lacksSectorDocument(tenant, metadata)) {
      const fault = await documents.faultOf(metadata)
      if (fault !== undefined) {
        throw invalid(metadata.client_id, [`sector_identifier_uri: ${fault}`])
      }
    }
    return parsed
  }

  /** Writing all would also lock unchanged clients: redeeming their codes would wait for the end of an apply. */
  async function notAsDeclared(
    tenant: string,
    declarations: CheckedDeclaration[],
    before: ReadonlyMap<string, unknown>,
  ): Promise<CheckedDeclaration[]> {
    const unsettled = await secrets.unsettled(tenant, declarations)
    return declarations.filter(
      (each) =>
        unsettled.has(each) ||
        !isDeepStrictEqual(before.get(each.metadata.client_id), asStored(each.metadata)),
    )
  }

  async function put(
    tenant: string,
    declarations: CheckedDeclaration[],
    only?: 'new',
  ): Promise<DeclaredClient[]> {
    const ids = declarations.map(({ metadata }) => metadata.client_id)
    const done = new Map<string, DeclaredClient>()
    await database.transaction(async () => {
      const before = await store.metadata(tenant, ids)
      const wanted =
        only === 'new' ? declarations : await notAsDeclared(tenant, declarations, before)
      if (wanted.length === 0) return
      const all = wanted.map(({ metadata }) => metadata)
      const written = await store.put(tenant, all, only)
      const there = only === 'new' ? ids.find((id) => !written.has(id)) : undefined
      if (there !== undefined) {
        throw new DomainError('already_exists', { detail: { client_id: there } })
      }
      const settled = await secrets.settle(tenant, wanted)
      const events: AuditEvent[] = []
      for (const [at, metadata] of all.entries()) {
        const { client_id: clientId } = metadata
        const { changes, generated } = settled[at] as (typeof settled)[number]
        const known = before.has(clientId)
        const changed = written.has(clientId) || changes > 0
        if (changed) {
          const type = known ? 'client.updated' : 'client.created'
          const members = changedMembers(before.get(clientId), metadata)
          if (changes > 0) members.push('client_secret')
          events.push({ type, clientId, detail: { members } })
        }
        done.set(clientId, {
          outcome: known ? (changed ? 'updated' : 'unchanged') : 'created',
          clientId,
          secretChanged: changes > 0,
          ...present({ clientSecret: generated }),
        })
      }
      await audit.record(tenant, ...events)
    })
    for (const id of done.keys()) cache.drop(key(tenant, id))
    return ids.map(
      (clientId) => done.get(clientId) ?? { outcome: 'unchanged', clientId, secretChanged: false },
    )
  }

  return {
    async setDisabled(tenant, clientId, disabled) {
      await assertKnown(tenant, clientId)
      const changed = await store.setDisabled(tenant, clientId, disabled)
      cache.drop(key(tenant, clientId))
      return changed > 0
    },
    isDisabled: store.isDisabled,
    lock: store.lock,
    async delete(tenant, clientIds) {
      if ((await store.delete(tenant, clientIds)) < clientIds.length) {
        throw new DomainError('client_not_found', { detail: { client_id: clientIds.join(', ') } })
      }
      for (const clientId of clientIds) cache.drop(key(tenant, clientId))
    },
    find,
    async metadata(tenant, clientId) {
      const client = await find(tenant, clientId)
      return client && checkedMetadata(client).data
    },
    page: store.page,
    views: createClientViews(deps),

    secretFits: secrets.fits,
    readableSecrets: secrets.readable,

    async examine(tenant, declaration) {
      const { metadata } = parse(declaration)
      await deps.check(tenant, metadata)
      return metadata
    },
    changed: (tenant, clientId) => cache.drop(key(tenant, clientId)),

    async prepare(declarations) {
      const documents = createSectorDocuments(deps.fetch)
      await Promise.all(
        declarations.map(async ({ tenant, declaration }) => {
          const { success, data } = clientMetadata.safeParse(withoutSecret(declaration).members)
          if (success && (await lacksSectorDocument(tenant, data))) await documents.faultOf(data)
        }),
      )
      return documents
    },

    checked,
    put,
    async declare(tenant, declaration, documents, only) {
      const [declared] = await put(tenant, [await checked(tenant, declaration, documents)], only)
      return declared as DeclaredClient
    },

    async rotateSecret(tenant, clientId, overlap) {
      const client = await store.find(tenant, clientId)
      if (!client) throw new DomainError('client_not_found', { detail: { client_id: clientId } })
      const metadata = client.metadata as ClientMetadata
      const method = metadata.token_endpoint_auth_method
      if (secretsOf(method) === 'none') {
        throw new DomainError('client_invalid', {
          detail: `client ${clientId} uses token_endpoint_auth_method ${method} and has no secret`,
        })
      }
      const secret = await database.transaction(async () => {
        const next = await secrets.rotate(tenant, metadata, overlap)
        const detail = { overlap }
        await audit.record(tenant, { type: 'client.secret_rotated', clientId, detail })
        return next
      })
      cache.drop(key(tenant, clientId))
      return secret
    },
  }
}

function parse(declaration: unknown): CheckedDeclaration {
  const { secret, members } = withoutSecret(declaration)
  const document = { client_id: randomUUID(), ...members }
  const parsed = clientMetadata.safeParse(document)
  const faults = parsed.success ? [] : faultsOf(clientMetadata, document).map(faultLine)
  if (secret !== undefined) {
    const fault = secretFault(
      parsed.data?.token_endpoint_auth_method ?? 'client_secret_basic',
      secret,
    )
    if (fault) faults.push(`client_secret: ${fault}`)
  }
  if (!parsed.success || faults.length > 0) {
    throw invalid(members['client_id'] ?? '(none given)', faults)
  }
  return { metadata: parsed.data, ...(typeof secret === 'string' ? { secret } : {}) }
}

/** Metadata as it is read back from a JSON column. */
const asStored = (metadata: ClientMetadata): unknown => JSON.parse(JSON.stringify(metadata))

function withoutSecret(declaration: unknown) {
  const { client_secret: secret, ...members } = (declaration ?? {}) as Record<string, unknown>
  return { secret, members }
}

function invalid(clientId: unknown, faults: string[]): DomainError {
  return new DomainError('client_invalid', { detail: { client_id: clientId, faults } })
}
