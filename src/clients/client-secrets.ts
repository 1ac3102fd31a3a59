import type { Clock } from '../clock.ts'
import { equalInConstantTime, hashOf, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import type { Database } from '../storage/database.ts'
import { type Client, type ClientMetadata, type ClientSecret, secretsOf } from './client.ts'
import { createClientSecretStore, type KnownSecret, type NewSecret } from './client-secret.store.ts'

const purpose = (tenant: string, clientId: string, hash: string) =>
  JSON.stringify(['client-secret', tenant, clientId, hash])

/** The purpose until 0.1.0, under which sealed secrets of one client could be swapped. */
const formerly = (tenant: string, clientId: string) => `client-secret:${tenant}:${clientId}`

export const sealedClientSecrets: SealedColumn = {
  table: 'client_secrets',
  key: ['tenant_id', 'client_id', 'hash'],
  column: 'sealed',
  purpose,
  formerly,
}

/** Whether a client has a secret that came from outside, and so might be guessed. */
export const hasChosenSecret = ({ secrets }: Client): boolean =>
  secrets.some(({ hash }) => hash.startsWith('hmac:'))

/** Declared metadata of a client, and the secret that was declared with it. */
export interface DeclaredSecret {
  metadata: ClientMetadata
  secret?: string
}

interface SettledSecret {
  /** Rows changed. */
  changes: number
  /** The secret that was made. */
  generated?: string
}

/** The secrets of clients; changes join the caller's transaction. */
export function createClientSecrets(deps: { database: Database; clock: Clock; sealer: Sealer }) {
  const { clock, sealer } = deps
  const store = createClientSecretStore(deps)
  const own = (secret: string) => `sha256:${hashOf(secret)}`
  const foreign = (secret: string) => `hmac:${sealer.mac('client-secret', secret)}`

  const isAlive = ({ expiresAt }: ClientSecret) =>
    expiresAt === undefined || expiresAt > clock.now()

  /** The row of a secret; readable only where the authentication method requires that. */
  async function rowOf(
    tenant: string,
    { token_endpoint_auth_method: method, client_id: clientId }: ClientMetadata,
    secret: string,
    hash: string,
  ): Promise<NewSecret> {
    const isReadable = secretsOf(method) === 'readable'
    const sealed = isReadable
      ? await sealer.seal(purpose(tenant, clientId, hash), secret)
      : undefined
    return { clientId, hash, sealed }
  }

  /** @param othersEndAt milliseconds since the epoch. @returns rows written */
  async function add(tenant: string, row: NewSecret, othersEndAt: number): Promise<number> {
    const written = await store.add(tenant, [row])
    await store.retireOthers(tenant, row.clientId, row.hash, othersEndAt)
    return written
  }

  /** Whether the stored secrets are as the declaration demands. */
  function isSettled({ metadata, secret }: DeclaredSecret, known: KnownSecret[]): boolean {
    const wanted = secretsOf(metadata.token_endpoint_auth_method)
    if (wanted === 'none') return known.length === 0
    const isReadable = wanted === 'readable'
    if (!isReadable && known.some((each) => each.isReadable)) return false
    if (secret === undefined) return known.some((each) => !isReadable || each.isReadable)
    const hash = foreign(secret)
    return (
      known.some((each) => each.hash === hash && each.expiresAt === Infinity) &&
      known.every((each) =>
        each.hash === hash ? each.isReadable === isReadable : each.expiresAt <= clock.now(),
      )
    )
  }

  /** Changes the secrets of a client whose authentication method or secret has changed. */
  async function replace(
    tenant: string,
    { metadata, secret }: DeclaredSecret,
    known: KnownSecret[],
  ): Promise<SettledSecret> {
    const { client_id: clientId, token_endpoint_auth_method: method } = metadata
    const wanted = secretsOf(method)
    if (wanted === 'none') return { changes: await store.deleteAll(tenant, clientId) }
    const changes = wanted === 'hashed' ? await store.forgetPlain(tenant, clientId) : 0
    if (secret !== undefined) {
      const row = await rowOf(tenant, metadata, secret, foreign(secret))
      return { changes: changes + (await add(tenant, row, clock.now())) }
    }
    if (known.some(({ isReadable }) => wanted === 'hashed' || isReadable)) return { changes }
    const generated = newHandle()
    const row = await rowOf(tenant, metadata, generated, own(generated))
    return { changes: changes + (await add(tenant, row, clock.now())), generated }
  }

  const knownOf = (tenant: string, clients: DeclaredSecret[]) =>
    store.known(
      tenant,
      clients.map(({ metadata }) => metadata.client_id),
    )

  return {
    /** Whether a secret is one of the client's, compared in constant time. */
    fits(client: Client, secret: string): boolean {
      let fits = false
      for (const known of client.secrets) {
        const form = known.hash.startsWith('sha256:') ? own(secret) : foreign(secret)
        fits = (equalInConstantTime(known.hash, form) && isAlive(known)) || fits
      }
      return fits
    },

    /** The valid secrets, newest first; none unless the authentication method needs them readable. */
    readable: ({ tenant, clientId, secrets }: Client): string[] =>
      secrets
        .filter(isAlive)
        .flatMap(({ hash, sealed }) =>
          sealed === undefined
            ? []
            : [sealer.open(purpose(tenant, clientId, hash), sealed, formerly(tenant, clientId))],
        ),

    /** The clients among these whose secrets must change. */
    async unsettled(tenant: string, clients: DeclaredSecret[]): Promise<Set<DeclaredSecret>> {
      const all = await knownOf(tenant, clients)
      return new Set(
        clients.filter((client) => !isSettled(client, all.get(client.metadata.client_id) ?? [])),
      )
    },

    /**
     * Makes the secrets of clients as their authentication methods demand; those of new clients in one statement.
     * @param clients each once, locked by the caller; without a declared `secret`, one is generated where there is none
     * @returns the result of each, in their order
     */
    async settle(tenant: string, clients: DeclaredSecret[]): Promise<SettledSecret[]> {
      const all = await knownOf(tenant, clients)
      const settled: SettledSecret[] = []
      const fresh: NewSecret[] = []
      for (const client of clients) {
        const { metadata, secret } = client
        const known = all.get(metadata.client_id) ?? []
        if (isSettled(client, known)) settled.push({ changes: 0 })
        else if (known.length > 0) settled.push(await replace(tenant, client, known))
        else {
          const value = secret ?? newHandle()
          const hash = secret === undefined ? own(value) : foreign(value)
          fresh.push(await rowOf(tenant, metadata, value, hash))
          settled.push({ changes: 1, ...(secret === undefined ? { generated: value } : {}) })
        }
      }
      await store.add(tenant, fresh)
      return settled
    },

    /** Generates a new secret. @param overlap seconds that the old ones stay valid */
    async rotate(tenant: string, metadata: ClientMetadata, overlap: number): Promise<string> {
      const secret = newHandle()
      const row = await rowOf(tenant, metadata, secret, own(secret))
      await add(tenant, row, clock.now() + overlap * 1000)
      return secret
    },
  }
}
