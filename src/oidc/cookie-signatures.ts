import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'

/** What cookies are signed with, in the form of Keygrip, which Koa takes. */
export interface CookieSignatures {
  sign(data: string): string
  verify(data: string, signature: string): boolean
  /** The index of the key that signed: 0, or -1 if none did. */
  index(data: string, signature: string): number
}

/**
 * HMAC-SHA-256 by one key, in place of Keygrip: that uses SHA-1, and computes two more HMACs under a fresh key for every
 * comparison, which costs as much as the rest of reading a cookie.
 */
export function cookieSignatures(secret: Buffer): CookieSignatures {
  const key = createSecretKey(secret)
  const sign = (data: string) => createHmac('sha256', key).update(data).digest('base64url')

  function verify(data: string, signature: string): boolean {
    const [right, shown] = [Buffer.from(sign(data)), Buffer.from(signature)]
    return right.length === shown.length && timingSafeEqual(right, shown)
  }

  return { sign, verify, index: (data, signature) => (verify(data, signature) ? 0 : -1) }
}
