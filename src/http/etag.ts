import { hash } from 'node:crypto'
import { DomainError } from '../errors.ts'

/** The ETag of what is sent (RFC 9110 §8.8.3): strong, and the same on every node. */
export function etagOf(body: string | Uint8Array): string {
  return `"${hash('sha256', body, 'base64url').slice(0, 22)}"`
}

/** Whether a caller has it already: any, or one of a list by the weak comparison (RFC 9110 §13.1.2). */
export function isNamed(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.trim() === '*' || [...ifNoneMatch.matchAll(/"[^"]*"/g)].flat().includes(etag)
}

/**
 * A write says what it was made from (RFC 9110 §13.1.1, RFC 6585 §3), so that nobody undoes unseen what another did.
 * @param etag of what there is
 * @throws DomainError `precondition_required`, `precondition_failed`
 */
export function assertMatches(ifMatch: string, etag: string): void {
  if (ifMatch === '') throw new DomainError('precondition_required')
  const listed = ifMatch.split(',').map((tag) => tag.trim())
  if (listed.some((tag) => tag === '*' || tag === etag)) return
  throw new DomainError('precondition_failed', { detail: { expected: etag, came: ifMatch } })
}
