import type { Clock } from '../clock.ts'
import { equalInConstantTime, hashOf, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import type { Database } from '../storage/database.ts'
import { type Client, type ClientMetadata, type ClientSecret, secretsOf } from './client.ts'
import { createClientSecretStore } from './client-secret.store.ts'

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

/** Whether a client has a secret that somebody chose, and somebody could guess. */
export const hasChosenSecret = ({ secrets }: Client): boolean =>
  secrets.some(({ hash }) => hash.startsWith('hmac:'))

/** The secrets of clients; what changes them joins a transaction. */
export function createClientSecrets(deps: { database: Database; clock: Clock; sealer: Sealer }) {
  const { clock, sealer } = deps
  const store = createClientSecretStore(deps)
  const own = (secret: string) => `sha256:${hashOf(secret)}`
  const foreign = (secret: string) => `hmac:${sealer.mac('client-secret', secret)}`

  const isAlive = ({ expiresAt }: ClientSecret) =>
    expiresAt === undefined || expiresAt > clock.now()

  /**
   * Adds one, in a form that can be read only where there is no other way.
   * @param othersEndAt milliseconds since the epoch
   * @returns rows written
   */
  async function add(
    tenant: string,
    { token_endpoint_auth_method: method, client_id: id }: ClientMetadata,
    secret: string,
    hash: string,
    othersEndAt: number,
  ): Promise<number> {
    const isReadable = secretsOf(method) === 'readable'
    const sealed = isReadable ? await sealer.seal(purpose(tenant, id, hash), secret) : undefined
    const written = await store.add(tenant, id, { hash, sealed })
    await store.retireOthers(tenant, id, hash, othersEndAt)
    return written
  }

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

    /** Those that are valid now, newest first; none unless the client's way to authenticate needs them plain. */
    readable: ({ tenant, clientId, secrets }: Client): string[] =>
      secrets
        .filter(isAlive)
        .flatMap(({ hash, sealed }) =>
          sealed === undefined
            ? []
            : [sealer.open(purpose(tenant, clientId, hash), sealed, formerly(tenant, clientId))],
        ),

    /**
     * Makes the secrets of a client be what its way to authenticate needs.
     * @param given the one that it is to have; absent: one is made where it has none
     * @returns how many rows changed
     */
    async settle(
      tenant: string,
      metadata: ClientMetadata,
      given: string | undefined,
    ): Promise<{ changes: number; generated?: string }> {
      const { client_id: clientId, token_endpoint_auth_method: method } = metadata
      const wanted = secretsOf(method)
      if (wanted === 'none') return { changes: await store.deleteAll(tenant, clientId) }
      const changes = wanted === 'hashed' ? await store.forgetPlain(tenant, clientId) : 0
      if (given !== undefined) {
        return {
          changes: changes + (await add(tenant, metadata, given, foreign(given), clock.now())),
        }
      }
      if (await store.has(tenant, clientId, wanted)) return { changes }
      const generated = newHandle()
      const added = await add(tenant, metadata, generated, own(generated), clock.now())
      return { changes: changes + added, generated }
    },

    /** A new one of ours. @param overlap seconds for which the old ones stay valid */
    async rotate(tenant: string, metadata: ClientMetadata, overlap: number): Promise<string> {
      const secret = newHandle()
      await add(tenant, metadata, secret, own(secret), clock.now() + overlap * 1000)
      return secret
    },
  }
}
