import { derivedId } from '../secrets/handle.ts'

/** All refresh tokens descending from one authorization: one device, and the unit of revocation (architecture §1). */
export interface Family {
  tenant: string
  id: string
  grantId: string
  accountId: string
  clientId: string
  sessionUid?: string | undefined
  /** Whether it ends with the session: it came without `offline_access`. */
  endsWithSession: boolean
  /** Milliseconds since the epoch; the absolute end. */
  expiresAt: number
}

export type FamilyEnd = 'reuse' | 'code_reuse' | 'revoked' | 'session_ended'

/**
 * The family that a code or a device code starts. It follows from the handle, so that whoever presents the code a
 * second time names what the first time issued (RFC 6749 §4.1.2), also where no refresh token was.
 */
export function familyStartedBy(handleHash: string): string {
  return derivedId('family', handleHash)
}

/** A refresh token as the engine stores it, without its handle. */
export interface StoredRefreshToken {
  familyId: string
  payload: Record<string, unknown>
  /** Milliseconds since the epoch. */
  consumedAt?: number
}
