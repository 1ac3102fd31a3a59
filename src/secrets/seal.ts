import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  randomBytes,
} from 'node:crypto'
import { DomainError } from '../errors.ts'
import { derivedId } from './handle.ts'

/** The key that seals, and others that only open: previous ones, and the next one. 32 bytes each. */
export interface KeyEncryptionKeys {
  current: Buffer
  previous: Buffer[]
}

/**
 * Seals and opens envelopes with the key-encryption keys of this process. Data to be stored is sealed through `Seals`.
 */
export interface Envelopes {
  /** Id of the key that seals; it is part of every envelope, so that keys can be rotated. */
  readonly keyId: string
  /** Ids of the other keys that can open envelopes. */
  readonly previousKeyIds: string[]
  /**
   * @param purpose bound to the envelope, which opens only for the same purpose
   * @param keyId another key of this process to seal with
   */
  seal(purpose: string, plain: string, keyId?: string): string
  /**
   * @param formerly the purpose in an earlier version, for envelopes sealed by that
   * @throws DomainError `key_encryption_key_invalid` when it was sealed by an unknown key, or altered
   */
  open(purpose: string, envelope: string, formerly?: string): string
  /** From now on this key seals; the previous ones still open. */
  adopt(key: Buffer): void
}

/** Seals data that must be readable again: signing keys, shared secrets, session state (architecture §5). */
export interface Seals extends Pick<Envelopes, 'open'> {
  /**
   * Seals a value that the transaction of this context writes. The key is not retired before that transaction ends.
   * @throws DomainError `key_encryption_key_retired` when all keys of this process are retired
   */
  seal(purpose: string, plain: string): Promise<string>
}

export interface Sealer extends Seals {
  /** Id of the key that seals, as configured. */
  readonly keyId: string
  /**
   * HMAC-SHA-256 under a separate key, for values that are not our own 256 random bits. It does not change when the
   * key-encryption key is rotated, so stored or issued values stay recognisable.
   */
  mac(purpose: string, value: string): string
  /**
   * For short-lived artifacts, which a rotation of the key-encryption key does not reseal: sealed under a separate key.
   */
  readonly artifacts: Pick<Envelopes, 'seal' | 'open'>
}

const version = 'v1'

export function keyIdOf(key: Buffer): string {
  return derivedId('key-encryption-key', key.toString('base64')).slice(0, 8)
}

/** The id of the key that sealed an envelope. */
export function keyIdIn(envelope: string): string | undefined {
  return envelope.split('.')[1]
}

/**
 * AES-256-GCM under the key-encryption key, with a fresh 96-bit nonce each time.
 * Envelope: `v1.<key id>.<nonce>.<ciphertext and tag>`, base64url.
 */
export function createEnvelopes(keys: KeyEncryptionKeys): Envelopes {
  let keyId = ''
  const sealingKeys = new Map<string, Buffer>()

  function adopt(key: Buffer): void {
    keyId = keyIdOf(key)
    sealingKeys.set(keyId, Buffer.from(hkdfSync('sha256', key, '', 'keyturn seal', 32)))
  }
  for (const key of [...keys.previous, keys.current]) adopt(key)

  return {
    get keyId() {
      return keyId
    },
    get previousKeyIds() {
      return [...sealingKeys.keys()].filter((id) => id !== keyId)
    },
    adopt,
    seal(purpose, plain, sealedBy = keyId) {
      const nonce = randomBytes(12)
      const key = sealingKeys.get(sealedBy) as Buffer
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose))
      const sealed = Buffer.concat([
        cipher.update(plain, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ])
      return [version, sealedBy, nonce.toString('base64url'), sealed.toString('base64url')].join(
        '.',
      )
    },
    open(purpose, envelope, formerly) {
      const [sealedAs, sealedBy = '', nonce = '', body = ''] = envelope.split('.')
      const bytes = Buffer.from(body, 'base64url')
      const key = sealedAs === version ? sealingKeys.get(sealedBy) : undefined
      if (!key) {
        const has = [...sealingKeys.keys()].join(' and ')
        throw cannotOpen(
          `it was sealed under key ${sealedBy}, but this process has key ${has}. ` +
            'Restore the missing key, or add it to KEY_ENCRYPTION_KEY_PREVIOUS.',
        )
      }
      const openFor = (boundTo: string) => {
        const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url'))
          .setAAD(Buffer.from(boundTo))
          .setAuthTag(bytes.subarray(-16))
        return decipher.update(bytes.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8')
      }
      let cause: unknown
      for (const boundTo of formerly === undefined ? [purpose] : [purpose, formerly]) {
        try {
          return openFor(boundTo)
        } catch (error) {
          cause = error
        }
      }
      throw cannotOpen(`the envelope for ${purpose} was changed`, cause as Error)
    },
  }
}

/** @param macKey 32 bytes, never rotated */
export function createSealer(
  envelopes: Pick<Envelopes, 'keyId'>,
  { seal, open }: Seals,
  macKey: Buffer,
): Sealer {
  const artifactKey = Buffer.from(hkdfSync('sha256', macKey, '', 'keyturn artifacts', 32))
  // Created once: to import the key for each call takes five times as long as the hash.
  const keyObject = createSecretKey(macKey)
  return {
    artifacts: createEnvelopes({ current: artifactKey, previous: [] }),
    get keyId() {
      return envelopes.keyId
    },
    seal,
    open,
    mac: (purpose, value) =>
      createHmac('sha256', keyObject)
        .update(JSON.stringify([purpose, value]))
        .digest('base64url'),
  }
}

/**
 * The key of `Sealer.mac` in versions before it had its own: derived from the key-encryption key that sealed the
 * envelopes of that time.
 */
export function inheritedMacKey(
  { current, previous }: KeyEncryptionKeys,
  envelope: string,
): Buffer {
  const key = [current, ...previous].find((each) => keyIdOf(each) === keyIdIn(envelope)) ?? current
  return Buffer.from(hkdfSync('sha256', key, '', 'keyturn mac', 32))
}

function cannotOpen(detail: string, cause?: Error): DomainError {
  return new DomainError('key_encryption_key_invalid', {
    detail: `A stored secret cannot be opened: ${detail}`,
    ...(cause ? { cause } : {}),
  })
}
