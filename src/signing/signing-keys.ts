import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Sealer } from '../secrets/seal.ts'
import type { Database } from '../storage/database.ts'
import { createSigningKeyStore, type StoredSigningKey } from './signing-key.store.ts'
import { inUse, type SigningAlg, type SigningKey } from './signing-key.ts'

export interface SigningKeys {
  /**
   * Makes sure that there is a key for each algorithm; exactly one, also when several nodes start at once.
   * @returns whether one was created
   */
  ensure(tenant: string, algs: SigningAlg[]): Promise<boolean>
  /** The keys in use, with their private parts, in the order in which the engine has to see them. */
  open(tenant: string): Promise<OpenSigningKey[]>
  list(tenant: string): Promise<SigningKey[]>
  /** Rises whenever this process changes keys. */
  revision(): number
}

export interface OpenSigningKey extends SigningKey {
  privateJwk: JWK
}

const purpose = (tenant: string, kid: string) => `signing-key:${tenant}:${kid}`

export function createSigningKeys({
  database,
  clock,
  sealer,
}: {
  database: Database
  clock: Clock
  sealer: Sealer
}): SigningKeys {
  const store = createSigningKeyStore({ database, clock })
  let revision = 0

  async function missing(tenant: string, algs: SigningAlg[]): Promise<SigningAlg[]> {
    const there = new Set(inUse(await store.list(tenant), clock.now()).map(({ alg }) => alg))
    return [...new Set(algs)].filter((alg) => !there.has(alg))
  }

  async function generate(tenant: string, alg: SigningAlg): Promise<StoredSigningKey> {
    const pair = await generateKeyPair(alg, { extractable: true })
    const publicJwk = await exportJWK(pair.publicKey)
    const kid = await calculateJwkThumbprint(publicJwk)
    const members = { kid, alg, use: 'sig' }
    const privateJwk = { ...(await exportJWK(pair.privateKey)), ...members }
    const now = clock.now()
    return {
      kid,
      alg,
      publicJwk: { ...publicJwk, ...members },
      // The first key of an algorithm has no verifier that could know another: it is active at once.
      publishAt: now,
      activateAt: now,
      sealed: sealer.seal(purpose(tenant, kid), JSON.stringify(privateJwk)),
    }
  }

  return {
    async ensure(tenant, algs) {
      const wanted = await missing(tenant, algs)
      if (wanted.length === 0) return false
      const keys = await Promise.all(wanted.map((alg) => generate(tenant, alg)))
      return database.transaction(async () => {
        await store.lock(tenant)
        const still = await missing(tenant, wanted)
        for (const key of keys) if (still.includes(key.alg)) await store.insert(tenant, key)
        revision++
        return still.length > 0
      })
    },
    async open(tenant) {
      return inUse(await store.list(tenant), clock.now()).map(({ sealed, ...key }) => ({
        ...key,
        privateJwk: JSON.parse(sealer.open(purpose(tenant, key.kid), sealed)) as JWK,
      }))
    },
    revision: () => revision,
    list: async (tenant) =>
      (await store.list(tenant)).map(({ sealed: _sealed, ...key }): SigningKey => key),
  }
}
