import { createHash } from 'node:crypto'
import { DomainError } from '../errors.ts'

/** The ETag of what an object looks like (RFC 9110 §8.8.3): strong, and the same on every node. */
export function etagOf(representation: object): string {
  const digest = createHash('sha256').update(JSON.stringify(representation)).digest('base64url')
  return `"${digest.slice(0, 22)}"`
}

const listed = (header: string) => header.split(',').map((tag) => tag.trim())

/** Whether a caller knows it already (RFC 9110 §13.1.2). */
export function isKnown(ifNoneMatch: string, etag: string): boolean {
  return listed(ifNoneMatch).some((tag) => tag === '*' || tag.replace(/^W\//, '') === etag)
}

/**
 * A write says what it was made from (RFC 9110 §13.1.1, RFC 6585 §3), so that nobody undoes unseen what another did.
 * @throws DomainError `precondition_required`, `precondition_failed`
 */
export function assertMatches(ifMatch: string, current: object): void {
  if (ifMatch === '') throw new DomainError('precondition_required')
  const etag = etagOf(current)
  if (listed(ifMatch).some((tag) => tag === '*' || tag === etag)) return
  throw new DomainError('precondition_failed', { detail: { expected: etag, came: ifMatch } })
}
