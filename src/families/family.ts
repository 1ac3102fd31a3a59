import type { Account } from '../accounts/account.ts'
import type { Grant } from '../grants/grant.ts'
import { derivedId } from '../secrets/handle.ts'
import type { Presenter } from './replay.ts'

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
  /** Where its owner allowed it: a browser, or the device itself. */
  allowedFrom: Presenter
}

/** Why a family ended. */
export type FamilyEnd =
  | 'reuse'
  | 'code_reuse'
  | 'revoked'
  | 'session_ended'
  | 'superseded'
  | 'operator'
  | 'signed_out_everywhere'
  | 'others_signed_out'
  | 'account_deleted'
  | 'owner'
  | 'password_changed'
  | 'account_disabled'
  | 'client_disabled'
  | 'client_deleted'
  | 'grant_revoked'

/**
 * The id of the family that a code or a device code starts. It derives from the handle: presenting the code a second
 * time names what the first time issued (RFC 6749 §4.1.2), even without a refresh token.
 */
export function familyStartedBy(handleHash: string): string {
  return derivedId('family', handleHash)
}

/** A refresh token as the engine stores it, without its handle. */
export interface StoredRefreshToken {
  familyId: string
  payload: Record<string, unknown>
  /** How it was consumed; absent while it is live. */
  consumed?: Consumption
  /** The grant of its family, unless revoked; read only by `findLocked`. */
  grant?: Grant
  /** The account of its family, even a disabled one; read only by `findLocked`. */
  account?: Account
}

/** Times in milliseconds since the epoch. */
export interface Consumption {
  at: number
  by: Presenter
  /** The sealed answer that its holder may have again; absent once deleted. */
  answer?: string
  successorConsumedAt?: number
  successorExpiresAt?: number
}

/** One refresh token in the time line of a family; times in milliseconds since the epoch. */
export interface FamilyStep {
  /** A prefix of the token's hash: it identifies the token and cannot be presented. */
  token: string
  parent?: string
  issuedAt: number
  expiresAt: number
  consumedAt?: number
  /** To whom it was issued. */
  issuedTo: Presenter
  replays: number
  replayedAt?: number
}

/** A family as an operator sees it. */
export interface FamilyView extends Family {
  createdAt: number
  /** When a token of it was last issued. */
  lastUsedAt: number
  /** When its current token expires if it is not used. */
  idleExpiresAt: number
  device: string
  endedAt?: number
  endedReason?: FamilyEnd
  endedDetail?: Record<string, unknown>
}

/** ended: explicitly; expired: its absolute lifetime is over; idle_expired: it was unused for too long. */
export type FamilyState = 'alive' | 'idle_expired' | 'expired' | 'ended'

/** @param now milliseconds since the epoch */
export function stateOf(
  {
    endedAt,
    expiresAt,
    idleExpiresAt,
  }: Pick<FamilyView, 'endedAt' | 'expiresAt' | 'idleExpiresAt'>,
  now: number,
): FamilyState {
  if (endedAt !== undefined) return 'ended'
  if (expiresAt <= now) return 'expired'
  return idleExpiresAt <= now ? 'idle_expired' : 'alive'
}
