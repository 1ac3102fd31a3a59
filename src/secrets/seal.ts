import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { DomainError } from '../errors.ts'
import { derivedId } from './handle.ts'

/** Seals what must be readable again: signing keys, shared secrets, session state (architecture §5). */
export interface Sealer {
  /** Names the key-encryption key; stands in every envelope, so that it can be rotated. */
  readonly keyId: string
  /** @param purpose bound to the envelope: it opens only for the same purpose */
  seal(purpose: string, plain: string): string
  /** @throws DomainError `key_encryption_key_invalid` when another key sealed it or it was changed */
  open(purpose: string, envelope: string): string
  /** HMAC-SHA-256 under a key of its own, for values that are not 256 random bits of ours. */
  mac(purpose: string, value: string): string
}

const version = 'v1'

/**
 * AES-256-GCM under the key-encryption key, with a fresh 96-bit nonce each time.
 * Envelope: `v1.<key id>.<nonce>.<ciphertext and tag>`, base64url.
 * @param key 32 bytes
 */
export function createSealer(key: Buffer): Sealer {
  const keyId = derivedId('key-encryption-key', key.toString('base64')).slice(0, 8)
  const sealingKey = Buffer.from(hkdfSync('sha256', key, '', 'keyturn seal', 32))
  const macKey = Buffer.from(hkdfSync('sha256', key, '', 'keyturn mac', 32))

  return {
    keyId,
    seal(purpose, plain) {
      const nonce = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce).setAAD(Buffer.from(purpose))
      const sealed = Buffer.concat([
        cipher.update(plain, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ])
      return [version, keyId, nonce.toString('base64url'), sealed.toString('base64url')].join('.')
    },
    open(purpose, envelope) {
      const [sealedAs, sealedBy, nonce = '', body = ''] = envelope.split('.')
      const bytes = Buffer.from(body, 'base64url')
      if (sealedAs !== version || sealedBy !== keyId) {
        throw cannotOpen(`it was sealed under key ${sealedBy}, this process has key ${keyId}`)
      }
      try {
        const decipher = createDecipheriv(
          'aes-256-gcm',
          sealingKey,
          Buffer.from(nonce, 'base64url'),
        )
          .setAAD(Buffer.from(purpose))
          .setAuthTag(bytes.subarray(-16))
        return decipher.update(bytes.subarray(0, -16), undefined, 'utf8') + decipher.final('utf8')
      } catch (cause) {
        throw cannotOpen(`the envelope for ${purpose} was changed`, cause as Error)
      }
    },
    mac: (purpose, value) =>
      createHmac('sha256', macKey)
        .update(JSON.stringify([purpose, value]))
        .digest('base64url'),
  }
}

function cannotOpen(detail: string, cause?: Error): DomainError {
  return new DomainError('key_encryption_key_invalid', {
    detail: `A stored secret cannot be opened: ${detail}`,
    ...(cause ? { cause } : {}),
  })
}
