import type { Account } from '../accounts/account.ts'
import type { Presenter } from '../families/replay.ts'
import type { Grant } from '../grants/grant.ts'
import { derivedId } from '../secrets/handle.ts'

/** A signed-in browser (or one about to be): the SSO session. Keyed by its stable `uid`; the handle changes. */
export interface Session {
  uid: string
  accountId?: string | undefined
  /** Seconds since the epoch, as `auth_time`. */
  loginAt?: number | undefined
  acr?: string | undefined
  amr?: string[] | undefined
  transient: boolean
  /** What a log-out in progress remembers; holds a secret. */
  state?: Record<string, unknown> | undefined
  /** What each client got in this session. */
  clients: Record<string, SessionClient>
  /** Seconds since the epoch. */
  createdAt: number
  expiresAt: number
}

export interface SessionClient {
  sid: string
  grantId?: string | undefined
  /** Whether the client holds `offline_access`, which outlives the session. */
  persistsLogout: boolean
}

/** A session with its account, and the grant of that account to the requesting client. */
export interface Opened {
  session: Session
  account: Account | undefined
  grant: Grant | undefined
}

/** A session as an operator and its owner see it; times in milliseconds since the epoch. */
export interface ListedSession {
  uid: string
  accountId: string
  /** The clients that got something in it. */
  clientIds: string[]
  signedInAt?: number
  lastUsedAt: number
  expiresAt: number
  /** Unknown for sessions that an earlier version wrote. */
  signedInFrom: Presenter
  lastUsedFrom: Presenter
}

export type SessionEnd =
  | 'signed_out'
  | 'signed_out_everywhere'
  | 'others_signed_out'
  | 'account_deleted'
  | 'password_changed'
  | 'account_disabled'
  | 'operator'

/**
 * The result of writing a session: saved; ended: it was ended concurrently, and stays so; superseded: another request
 * changed its handle first.
 */
export type SaveOutcome = 'saved' | 'ended' | 'superseded'

/** The `sid` of a session at a client (OpenID Connect Back-Channel Logout §2.1): the same for every request. */
export function sidOf(uid: string, clientId: string): string {
  return derivedId('sid', uid, clientId)
}
