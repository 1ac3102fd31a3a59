import { createPublicKey, type KeyObject } from 'node:crypto'
import { ExternalSigningKey } from 'oidc-provider'
import type { KeySet, OpenSigningKey } from '../signing/key-set.ts'

/** The engine calls its hook experimental: nothing but this file knows of it. */
export const externalSigning = { enabled: true, ack: 'experimental-01' }

/**
 * The keys as the engine has to have them: it signs with those that sign, and knows the others only to verify an
 * `id_token_hint`. So it cannot sign with a key that has not been published for long enough, in whatever order. It never
 * has a private key: each signature is asked for, and refused when the key has ended since the engine was built.
 */
export function engineKeys({ signing, published }: KeySet): ExternalSigningKey[] {
  // The first key of an algorithm is chosen before its time, too: it says itself that it does not sign yet.
  const isFirst = ({ alg }: OpenSigningKey) => !signing.some((key) => key.alg === alg)
  return published.map((key) => new EngineKey(key, signing.includes(key) || isFirst(key)))
}

/** The members of its JWK come from the class, which derives them from this. */
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
