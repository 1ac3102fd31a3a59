import { randomUUID } from 'node:crypto'
import type { Audit } from '../audit/audit.ts'
import { changedMembers } from '../audit/changes.ts'
import type { Clock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import { faultLine, faultsOf } from '../faults.ts'
import type { OutgoingFetch } from '../outgoing/fetch.ts'
import { equalInConstantTime, hashOf, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import { createCache } from '../storage/cache.ts'
import type { Changes } from '../storage/changes.ts'
import type { Database } from '../storage/database.ts'
import { createClientStore } from './client.store.ts'
import {
  type Client,
  type ClientMetadata,
  type ClientSecret,
  clientMetadata,
  isClientId,
  secretFault,
  secretsOf,
} from './client.ts'
import { type ClientViews, createClientViews } from './client-views.ts'
import {
  createSectorDocuments,
  needsSectorDocument,
  type SectorDocuments,
} from './sector-documents.ts'

export interface Clients {
  /** An enabled client, or undefined. Changes made on another node show within a second. */
  find(tenant: string, clientId: string): Promise<Client | undefined>
  /** Enabled ones, in the order of their ids. @param page `after`: the id that the page before ended with */
  page(tenant: string, page: { after?: string | undefined; limit: number }): Promise<Client[]>
  /** As operators look at them. */
  readonly views: ClientViews
  /** Whether a secret is one of the client's, compared in constant time. */
  secretFits(client: Client, secret: string): boolean
  /** The secrets that are valid now, newest first; none unless the client's way to authenticate needs them plain. */
  readableSecrets(client: Client): string[]
  /**
   * Makes a client be as declared. A confidential client without a given secret gets one when it has none, which is
   * returned and cannot be read again.
   * @param documents from `prepare`; without them they are got on the way
   * @param only `new`: no client that is there already
   * @throws DomainError `client_invalid` naming the member, what was expected and what came; `already_exists`
   */
  declare(
    tenant: string,
    declaration: unknown,
    documents?: SectorDocuments,
    only?: 'new',
  ): Promise<DeclaredClient>
  /**
   * What a declaration would be stored as, checked as one; nothing is stored.
   * @throws DomainError `client_invalid`
   */
  examine(tenant: string, declaration: unknown): Promise<ClientMetadata>
  /** Somebody in this process has changed its row: it is read anew. */
  changed(tenant: string, clientId: string): void
  /**
   * Gets from others what declaring clients needs of them, for who declares them in a transaction: that would hold a
   * connection meanwhile.
   */
  prepare(declarations: Array<{ tenant: string; declaration: unknown }>): Promise<SectorDocuments>
  /**
   * A new secret; the old ones stay valid for `overlap` seconds.
   * @throws DomainError `client_not_found`, `client_invalid` for a public client
   */
  rotateSecret(tenant: string, clientId: string, overlap: number): Promise<string>
  /** Whether anything changed. @throws DomainError `client_not_found` */
  setDisabled(tenant: string, clientId: string, disabled: boolean): Promise<boolean>
  /** Whether it is there, and disabled. */
  isDisabled(tenant: string, clientId: string): Promise<boolean>
  /** Deletes it with everything it ever got. @throws DomainError `client_not_found` */
  delete(tenant: string, clientId: string): Promise<void>
}

export interface DeclaredClient {
  outcome: 'created' | 'updated' | 'unchanged'
  clientId: string
  /** Only when one was generated now. */
  clientSecret?: string
  /** Whether it has another secret than before, or none any more. */
  secretChanged: boolean
}

interface Dependencies {
  database: Database
  changes: Changes
  clock: Clock
  sealer: Sealer
  fetch: OutgoingFetch
  audit: Audit
  /** The engine's own judgement of metadata; throws what it dislikes. */
  check(tenant: string, metadata: ClientMetadata): Promise<void>
}

const purpose = (tenant: string, clientId: string, hash: string) =>
  JSON.stringify(['client-secret', tenant, clientId, hash])

/** Until 0.1.0: a secret of a client could stand in place of another of it. */
const formerly = (tenant: string, clientId: string) => `client-secret:${tenant}:${clientId}`

export const sealedClientSecrets: SealedColumn = {
  table: 'client_secrets',
  key: ['tenant_id', 'client_id', 'hash'],
  column: 'sealed',
  purpose: ({ tenant_id, client_id, hash }) =>
    purpose(tenant_id as string, client_id as string, hash as string),
  formerly: ({ tenant_id, client_id }) => formerly(tenant_id as string, client_id as string),
}

export function createClients(deps: Dependencies): Clients {
  const { database, clock, sealer, audit } = deps
  const store = createClientStore(deps)
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
  const own = (secret: string) => `sha256:${hashOf(secret)}`
  const foreign = (secret: string) => `hmac:${sealer.mac('client-secret', secret)}`

  const isAlive = ({ expiresAt }: ClientSecret) =>
    expiresAt === undefined || expiresAt > clock.now()

  /** A secret as it is stored: in a form that can be read only where there is no other way. */
  async function kept(
    tenant: string,
    { token_endpoint_auth_method: method, client_id: id }: ClientMetadata,
    secret: string,
    hash: string,
  ) {
    return secretsOf(method) === 'readable'
      ? { hash, sealed: await sealer.seal(purpose(tenant, id, hash), secret) }
      : { hash }
  }

  /** Makes the secrets of a client be what its way to authenticate needs. */
  async function settleSecrets(
    tenant: string,
    metadata: ClientMetadata,
    given: string | undefined,
  ): Promise<{ changes: number; generated?: string }> {
    const { client_id: clientId, token_endpoint_auth_method: method } = metadata
    const wanted = secretsOf(method)
    if (wanted === 'none') return { changes: await store.deleteSecrets(tenant, clientId) }
    let changes = wanted === 'hashed' ? await store.forgetPlain(tenant, clientId) : 0
    if (given !== undefined) {
      const secret = await kept(tenant, metadata, given, foreign(given))
      changes += await store.addSecret(tenant, clientId, secret)
      await store.retireOtherSecrets(tenant, clientId, secret.hash, clock.now())
      return { changes }
    }
    if (await store.hasSecret(tenant, clientId, wanted)) return { changes }
    const generated = newHandle()
    const secret = await kept(tenant, metadata, generated, own(generated))
    changes += await store.addSecret(tenant, clientId, secret)
    await store.retireOtherSecrets(tenant, clientId, secret.hash, clock.now())
    return { changes, generated }
  }

  async function assertKnown(tenant: string, clientId: string): Promise<void> {
    if (await store.exists(tenant, clientId)) return
    throw new DomainError('client_not_found', { detail: { client_id: clientId } })
  }

  /** Most clients name no sector, and are not looked up for it. */
  const lacksSectorDocument = async (tenant: string, wanted: ClientMetadata) =>
    wanted.sector_identifier_uri !== undefined &&
    needsSectorDocument(wanted, await store.metadata(tenant, wanted.client_id))

  return {
    async setDisabled(tenant, clientId, disabled) {
      await assertKnown(tenant, clientId)
      const changed = await store.setDisabled(tenant, clientId, disabled)
      cache.drop(key(tenant, clientId))
      return changed > 0
    },
    isDisabled: store.isDisabled,
    async delete(tenant, clientId) {
      await assertKnown(tenant, clientId)
      await store.delete(tenant, clientId)
      cache.drop(key(tenant, clientId))
    },
    // What no client can be called is not looked for: Postgres refuses U+0000, and long names would fill the cache.
    find: async (tenant, clientId) =>
      isClientId(clientId)
        ? cache.get(key(tenant, clientId), () => store.find(tenant, clientId))
        : undefined,
    page: store.page,
    views: createClientViews(deps),

    secretFits(client, secret) {
      let fits = false
      for (const known of client.secrets) {
        const form = known.hash.startsWith('sha256:') ? own(secret) : foreign(secret)
        fits = (equalInConstantTime(known.hash, form) && isAlive(known)) || fits
      }
      return fits
    },
    readableSecrets: ({ tenant, clientId, secrets }) =>
      secrets
        .filter(isAlive)
        .flatMap(({ hash, sealed }) =>
          sealed === undefined
            ? []
            : [sealer.open(purpose(tenant, clientId, hash), sealed, formerly(tenant, clientId))],
        ),

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

    async declare(tenant, declaration, documents = createSectorDocuments(deps.fetch), only) {
      const { metadata, secret } = parse(declaration)
      await deps.check(tenant, metadata)
      const { client_id: clientId } = metadata
      if (await lacksSectorDocument(tenant, metadata)) {
        const fault = await documents.faultOf(metadata)
        if (fault !== undefined) throw invalid(clientId, [`sector_identifier_uri: ${fault}`])
      }

      const declared = await database.transaction(async (): Promise<DeclaredClient> => {
        const before = await store.metadata(tenant, clientId)
        const known = before !== undefined
        const put = await store.put(tenant, clientId, metadata, only)
        if (only === 'new' && put === 0) {
          throw new DomainError('already_exists', { detail: { client_id: clientId } })
        }
        const { changes, generated } = await settleSecrets(tenant, metadata, secret)
        const changed = put + changes > 0
        const members = changedMembers(before, metadata)
        if (changes > 0) members.push('client_secret')
        const type = known ? 'client.updated' : 'client.created'
        if (changed) await audit.record(tenant, { type, clientId, detail: { members } })
        return {
          outcome: known ? (changed ? 'updated' : 'unchanged') : 'created',
          clientId,
          secretChanged: changes > 0,
          ...(generated === undefined ? {} : { clientSecret: generated }),
        }
      })
      cache.drop(key(tenant, clientId))
      return declared
    },

    async rotateSecret(tenant, clientId, overlap) {
      const client = await store.find(tenant, clientId)
      if (!client) throw new DomainError('client_not_found', { detail: { client_id: clientId } })
      const metadata = client.metadata as ClientMetadata
      const method = metadata.token_endpoint_auth_method
      if (secretsOf(method) === 'none') {
        throw new DomainError('client_invalid', {
          detail: `client ${clientId} authenticates by ${method}: it has no secret`,
        })
      }
      const secret = newHandle()
      await database.transaction(async () => {
        await store.addSecret(tenant, clientId, await kept(tenant, metadata, secret, own(secret)))
        await store.retireOtherSecrets(tenant, clientId, own(secret), clock.now() + overlap * 1000)
        const detail = { overlap }
        await audit.record(tenant, { type: 'client.secret_rotated', clientId, detail })
      })
      cache.drop(key(tenant, clientId))
      return secret
    },
  }
}

function parse(declaration: unknown): { metadata: ClientMetadata; secret?: string } {
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

function withoutSecret(declaration: unknown) {
  const { client_secret: secret, ...members } = (declaration ?? {}) as Record<string, unknown>
  return { secret, members }
}

function invalid(clientId: unknown, faults: string[]): DomainError {
  return new DomainError('client_invalid', { detail: { client_id: clientId, faults } })
}
