import { createPublicKey, type KeyObject } from 'node:crypto'
import { ExternalSigningKey } from 'oidc-provider'
import type { KeySet, OpenSigningKey } from '../signing/key-set.ts'

/** The engine's hook is experimental: only this file knows of it. */
export const externalSigning = { enabled: true, ack: 'experimental-01' }

/**
 * The keys for the engine. It signs with the signing ones, and uses the others only to verify an `id_token_hint`: so it
 * cannot sign with a key that was not published for long enough. It never holds a private key; signing is refused if
 * the key has ended since the engine was built.
 */
export function engineKeys({ signing, published }: KeySet): ExternalSigningKey[] {
  // The first key of an algorithm is chosen even before its time: `sign` itself then refuses.
  const isFirst = ({ alg }: OpenSigningKey) => !signing.some((key) => key.alg === alg)
  return published.map((key) => new EngineKey(key, signing.includes(key) || isFirst(key)))
}

/** The base class derives the members of the JWK from this one. */
class EngineKey extends ExternalSigningKey {
  readonly #key: OpenSigningKey
  readonly #isSigning: boolean
  readonly #public: KeyObject

  constructor(key: OpenSigningKey, isSigning: boolean) {
    super()
    this.#key = key
    this.#isSigning = isSigning
    this.#public = createPublicKey({ key: key.publicJwk, format: 'jwk' })
    // The class has accessors for both, which its types show as read-only.
    Object.assign(this, { kid: key.kid, alg: key.alg })
  }

  override get key_ops(): string[] | undefined {
    return this.#isSigning ? undefined : ['verify']
  }

  override keyObject(): KeyObject {
    return this.#public
  }

  override sign(data: Uint8Array): Promise<Uint8Array> {
    return this.#key.sign(data)
  }
}
