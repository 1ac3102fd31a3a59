import { hash } from 'node:crypto'
import { DomainError } from '../errors.ts'

/** A strong ETag of a body (RFC 9110 §8.8.3), the same on every node. */
export function etagOf(body: string | Uint8Array): string {
  return `"${hash('sha256', body, 'base64url').slice(0, 22)}"`
}

/** Whether `If-None-Match` matches: `*`, or a list with the ETag by weak comparison (RFC 9110 §13.1.2). */
export function isNamed(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.trim() === '*' || [...ifNoneMatch.matchAll(/"[^"]*"/g)].flat().includes(etag)
}

/**
 * Requires `If-Match` on a write, to prevent lost updates (RFC 9110 §13.1.1, RFC 6585 §3).
 * @param etag of the current state
 * @throws DomainError `precondition_required`, `precondition_failed`
 */
export function assertMatches(ifMatch: string, etag: string): void {
  if (ifMatch === '') throw new DomainError('precondition_required')
  const listed = ifMatch.split(',').map((tag) => tag.trim())
  if (listed.some((tag) => tag === '*' || tag === etag)) return
  throw new DomainError('precondition_failed', { detail: { expected: etag, came: ifMatch } })
}
