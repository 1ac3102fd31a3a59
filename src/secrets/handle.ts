import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A new 256-bit handle: 43 characters of base64url (RFC 6749 §10.10, ASVS 7.2.3). */
export function newHandle(): string {
  return randomBytes(32).toString('base64url')
}

/**
 * The SHA-256 of a handle, which is stored in its place. Only for our own 256 random bits; values that a person types
 * need `Sealer.mac` (architecture §5).
 */
export function hashOf(handle: string): string {
  return hash('sha256', handle, 'base64url')
}

/**
 * An identifier derived from a handle, one-way: all who know the handle can compute it. For the family of a code and
 * the `sid` of a session at a client. 128 bits, 22 characters.
 */
export function derivedId(...parts: string[]): string {
  return hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, 16).toString('base64url')
}

/** Compares two texts in constant time (ASVS 11.2.4). */
export function equalInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(hash('sha256', a, 'buffer'), hash('sha256', b, 'buffer'))
}
