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

/** The key that seals, and others that only open: those before it, or the one that comes next. 32 bytes each. */
export interface KeyEncryptionKeys {
  current: Buffer
  previous: Buffer[]
}

/** Envelopes by the key-encryption keys that this process has; what is to be stored goes through `Seals`. */
export interface Envelopes {
  /** Names the key-encryption key that seals; stands in every envelope, so that it can be rotated. */
  readonly keyId: string
  /** The other keys that it opens with. */
  readonly previousKeyIds: string[]
  /**
   * @param purpose bound to the envelope: it opens only for the same purpose
   * @param keyId another key of this process than the one that seals
   */
  seal(purpose: string, plain: string, keyId?: string): string
  /**
   * @param formerly a purpose of an earlier version, for what was sealed by that
   * @throws DomainError `key_encryption_key_invalid` when no key here sealed it or it was changed
   */
  open(purpose: string, envelope: string, formerly?: string): string
  /** From now on this key seals, for whoever holds the envelopes; those before it go on to open. */
  adopt(key: Buffer): void
}

/** Seals what must be readable again: signing keys, shared secrets, session state (architecture §5). */
export interface Seals extends Pick<Envelopes, 'open'> {
  /**
   * Seals what the transaction of this context writes: no rotation retires the key until that has ended.
   * @throws DomainError `key_encryption_key_retired` when no key of this process may seal any more
   */
  seal(purpose: string, plain: string): Promise<string>
}

export interface Sealer extends Seals {
  /** Names the key that seals, as configured. */
  readonly keyId: string
  /**
   * HMAC-SHA-256 under a key of its own, for values that are not 256 random bits of ours. It stays the same when the
   * key-encryption key is rotated: what was stored, or handed out, goes on being recognised.
   */
  mac(purpose: string, value: string): string
  /** For short-lived artifacts, which a rotation of the key-encryption key does not reach: under a key of their own. */
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
          `it was sealed under key ${sealedBy}, this process has key ${has}. ` +
            'Put back the key that is missing, or add it to KEY_ENCRYPTION_KEY_PREVIOUS.',
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

/** @param macKey 32 bytes, which no rotation changes */
export function createSealer(
  envelopes: Pick<Envelopes, 'keyId'>,
  { seal, open }: Seals,
  macKey: Buffer,
): Sealer {
  const artifactKey = Buffer.from(hkdfSync('sha256', macKey, '', 'keyturn artifacts', 32))
  // Made from its bytes each time, a key takes five times as long as the hash.
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
 * What `Sealer.mac` used before it had a key of its own: derived from the key-encryption key that sealed the envelopes
 * of that time.
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
