import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { signedJwt } from './jwt.ts'
import type { PrivateKey, Signer } from './signer.ts'
import { createSigningKeyStore, type StoredSigningKey } from './signing-key.store.ts'
import { inUse, type SigningAlg, type SigningKey, stateOf } from './signing-key.ts'

export interface SigningKeys {
  /**
   * Makes sure that there is a key for each algorithm; exactly one, also when several nodes start at once.
   * @returns whether one was created
   */
  ensure(tenant: string, algs: SigningAlg[]): Promise<boolean>
  /** The keys in use, with their private parts, in the order in which the engine has to see them. */
  open(tenant: string): Promise<OpenSigningKey[]>
  /**
   * A JWT of our own by the active key.
   * @param typ `logout+jwt` and the like
   */
  sign(
    tenant: string,
    alg: SigningAlg,
    typ: string,
    claims: Record<string, unknown>,
  ): Promise<string>
  list(tenant: string): Promise<SigningKey[]>
  /** Rises whenever this process changes keys. */
  revision(): number
}

export interface OpenSigningKey extends SigningKey, PrivateKey {}

export function createSigningKeys({
  database,
  clock,
  signer,
}: {
  database: Database
  clock: Clock
  signer: Signer
}): SigningKeys {
  const store = createSigningKeyStore({ database, clock })
  let revision = 0

  async function missing(tenant: string, algs: SigningAlg[]): Promise<SigningAlg[]> {
    const there = new Set(inUse(await store.list(tenant), clock.now()).map(({ alg }) => alg))
    return [...new Set(algs)].filter((alg) => !there.has(alg))
  }

  async function generate(tenant: string, alg: SigningAlg): Promise<StoredSigningKey> {
    const key = await signer.generate(tenant, alg)
    const now = clock.now()
    // The first key of an algorithm has no verifier that could know another: it is active at once.
    return { ...key, publishAt: now, activateAt: now }
  }

  async function open(tenant: string): Promise<OpenSigningKey[]> {
    return Promise.all(
      inUse(await store.list(tenant), clock.now()).map(async ({ sealed, ...key }) => ({
        ...key,
        ...(await signer.open(tenant, { ...key, sealed })),
      })),
    )
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
    open,
    async sign(tenant, alg, typ, claims) {
      const key = (await open(tenant)).find((each) => each.alg === alg)
      if (!key || stateOf(key, clock.now()) !== 'active') {
        throw new Error(`tenant ${tenant} has no active key for ${alg}`)
      }
      return signedJwt(key, typ, claims)
    },
    revision: () => revision,
    list: async (tenant) =>
      (await store.list(tenant)).map(({ sealed: _sealed, ...key }): SigningKey => key),
  }
}
