import type { Platform } from '../platform.ts'
import type { MadeKey, Signer } from './signer.ts'
import type { createSigningKeyStore } from './signing-key.store.ts'
import type { SigningAlg, SigningKey } from './signing-key.ts'

/** Private keys from generation to destruction; when each signs is decided in signing-keys.ts. */
export interface PrivateKeys {
  /** @throws DomainError `signing_unavailable` */
  generate(tenant: string, alg: SigningAlg): Promise<MadeKey>
  /** Inserts the row of a made key. Seals it here, so that no rotation of the key-encryption key comes in between. */
  insert(
    tenant: string,
    made: MadeKey,
    times: Pick<SigningKey, 'publishAt' | 'activateAt'>,
  ): Promise<SigningKey>
  /** Destroys those of these keys that have no row. Never throws. */
  discardUnkept(tenant: string, made: MadeKey[]): Promise<void>
  /**
   * Destroys private keys outside of the database that no longer sign anything. Their rows refer to them until then.
   * Never throws.
   * @returns how many
   */
  destroyOver(): Promise<number>
}

export function createPrivateKeys({
  store,
  signer,
  counters,
  log,
}: Pick<Platform, 'counters' | 'log'> & {
  store: ReturnType<typeof createSigningKeyStore>
  signer: Signer
}): PrivateKeys {
  /** Keys that were warned of already: each is tried again with every sweep, a minute apart. */
  const undestroyed = new Set<string>()

  async function discard(tenant: string, made: MadeKey[]): Promise<void> {
    const kept = new Set((await store.list(tenant)).map(({ kid }) => kid))
    for (const key of made) if (!kept.has(key.kid)) await key.discard()
  }

  async function destroyHeldInVain(): Promise<number> {
    let count = 0
    for (const key of await store.heldInVain()) {
      const { tenant, kid } = key
      try {
        await signer.destroy(key)
        await store.forget(key)
        log.info({ tenant, kid }, 'destroyed the private key of a removed signing key')
        count++
      } catch (err) {
        log[undestroyed.has(kid) ? 'debug' : 'warn'](
          { err, tenant, kid },
          'could not destroy the private key of a removed signing key',
        )
        undestroyed.add(kid)
      }
    }
    return count
  }

  function notDestroyed(error: unknown): number {
    log.warn({ err: error }, 'could not destroy private keys of removed signing keys')
    return 0
  }

  return {
    async generate(tenant, alg) {
      const made = await signer.generate(tenant, alg)
      counters.count('signing_key_made')
      return made
    },
    async insert(tenant, { kid, alg, publicJwk, keep }, times) {
      const key = { kid, alg, publicJwk, ...times }
      await store.insert(tenant, { ...key, sealed: await keep() })
      return key
    },
    async discardUnkept(tenant, made) {
      if (made.length > 0) await discard(tenant, made).catch(notDestroyed)
    },
    destroyOver: () => destroyHeldInVain().catch(notDestroyed),
  }
}
