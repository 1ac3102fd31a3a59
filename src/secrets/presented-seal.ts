import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/**
 * Seals under a key derived from a value that the caller presents, not from anything stored: only a caller with the
 * same value can open it (architecture §6).
 * @param info the purpose
 */
export function sealUnder(presented: string, info: string, plain: string): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', keyOf(presented, info), nonce)
  const sealed = Buffer.concat([
    nonce,
    cipher.update(plain, 'utf8'),
    cipher.final(),
    cipher.getAuthTag(),
  ])
  return sealed.toString('base64url')
}

/** @throws Error when it was sealed under another value or purpose */
export function openUnder(presented: string, info: string, sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64url')
  const decipher = createDecipheriv('aes-256-gcm', keyOf(presented, info), bytes.subarray(0, 12))
  decipher.setAuthTag(bytes.subarray(-16))
  return decipher.update(bytes.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8')
}

function keyOf(presented: string, info: string): Buffer {
  return Buffer.from(hkdfSync('sha256', presented, '', info, 32))
}
