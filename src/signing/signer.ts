import type { JWK } from 'jose'
import type { SigningAlg } from './signing-key.ts'

/**
 * Where private keys are, and what signs with them. Nothing else touches a private key: our own tokens are signed
 * through it, and the engine gets its keys from it.
 */
export interface Signer {
  /** Makes a key pair, which may take long, on another thread. @throws DomainError `signing_unavailable` */
  generate(tenant: string, alg: SigningAlg): Promise<MadeKey>
  /**
   * Readies a stored key.
   * @throws DomainError `key_encryption_key_invalid`
   */
  open(tenant: string, key: StoredKey): Promise<PrivateKey>
  /**
   * Destroys what exists of a private key outside its row; succeeds if the key is gone already.
   * @throws DomainError `signing_unavailable`
   */
  destroy(key: HeldKey): Promise<void>
  /** Checks that it can make keys, and that these keys are present. @throws DomainError `signing_unavailable` */
  check(keys: HeldKey[]): Promise<void>
  /** Checks that the token answers; absent where keys are in this process. @throws DomainError `signing_unavailable` */
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
  /** As published, with `kid`, `alg` and `use`. */
  publicJwk: JWK
}

/** A key without a row yet. */
export interface MadeKey extends NewKey {
  /**
   * @returns what to store in the row, to find the private key again; sealed in the transaction that inserts the row
   * @throws DomainError `key_encryption_key_retired`
   */
  keep(): Promise<string>
  /** Destroys the private key, as no row refers to it. @throws DomainError `signing_unavailable` */
  discard(): Promise<void>
}

export interface StoredKey extends NewKey {
  /** What `keep` returned. */
  sealed: string
}

export interface PrivateKey {
  /**
   * @param data the JWS signing input (RFC 7515 §5.1, step 8)
   * @returns the signature in JWS form (RFC 7518 §3)
   * @throws DomainError `signing_unavailable`
   */
  sign(data: Uint8Array): Promise<Uint8Array>
  /** Set for a key outside of the database. */
  isHeld?: true
}
