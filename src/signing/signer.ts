import type { JWK } from 'jose'
import type { SigningAlg } from './signing-key.ts'

/**
 * Where private keys are, and what signs with them. Nothing else touches a private key: our own tokens are signed
 * through it, and the engine gets its keys from it.
 */
export interface Signer {
  /**
   * Makes a key pair; takes as long as it takes, on another thread.
   * @throws DomainError `signing_unavailable`
   */
  generate(tenant: string, alg: SigningAlg): Promise<MadeKey>
  /**
   * Readies a stored key.
   * @throws DomainError `key_encryption_key_invalid`
   */
  open(tenant: string, key: StoredKey): Promise<PrivateKey>
  /**
   * Ends what is left of a private key when its row holds it no more; a key that is gone already is fine.
   * @throws DomainError `signing_unavailable`
   */
  destroy(key: HeldKey): Promise<void>
  /**
   * Makes sure that it can make keys and sign with these.
   * @throws DomainError `signing_unavailable`
   */
  check(keys: HeldKey[]): Promise<void>
  /**
   * Makes sure that what has the keys answers; absent when that is this process.
   * @throws DomainError `signing_unavailable`
   */
  ping?(): Promise<void>
  close(): Promise<void>
}

/** A key outside of the database. */
export interface HeldKey {
  tenant: string
  kid: string
  /** As in `StoredKey`. */
  sealed: string
}

interface NewKey {
  /** The thumbprint of the public key (RFC 7638). */
  kid: string
  alg: SigningAlg
  /** With `kid`, `alg` and `use`, as it is published. */
  publicJwk: JWK
}

/** A key that no row has yet. */
export interface MadeKey extends NewKey {
  /**
   * What the signer needs to find the private key again: fit to be stored, in the transaction that asks for it.
   * @throws DomainError `key_encryption_key_retired`
   */
  keep(): Promise<string>
  /** Ends the private key, as no row has it. @throws DomainError `signing_unavailable` */
  discard(): Promise<void>
}

export interface StoredKey extends NewKey {
  /** What `keep` returned. */
  sealed: string
}

export interface PrivateKey {
  /**
   * @param data what a JWS signs (RFC 7515 §5.1, step 8)
   * @returns the signature as a JWS has it (RFC 7518 §3)
   * @throws DomainError `signing_unavailable`
   */
  sign(data: Uint8Array): Promise<Uint8Array>
  /** It is outside of the database. */
  isHeld?: true
}
