import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new 256-bit handle: 43 characters of base64url (RFC 6749 §10.10, ASVS 7.2.3). */
export function newHandle(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * What is stored in place of a handle: its SHA-256. Enough for 256 random bits of ours, and only for those; values a
 * person types go through `Sealer.mac` (architecture §5).
 */
export function hashOf(handle: string): string {
  return hash('sha256', handle, 'base64url')
}

/**
 * An identifier that everybody who knows the handle can compute again and nobody can turn back: the family of a code,
 * the `sid` of a session at a client. 128 bits, 22 characters.
 */
export function derivedId(...parts: string[]): string {
  return hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, 16).toString('base64url')
}

/** Compares without telling by time where the difference is (ASVS 11.2.4). */
export function equalInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'))
}
