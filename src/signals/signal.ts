import type { StoredEvent } from '../audit/event.ts'
import type { AuditType } from '../audit/kinds.ts'

/** The CAEP 1.0 events that this server sends, and those of SSF itself (SSF 1.0 §8.1.4, §8.1.5). */
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const credentialChange = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
export const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
export const streamUpdated = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated'

/** The events that a receiver may request. */
export const supportedEvents: readonly string[] = [sessionRevoked, credentialChange]

/** RFC 8417 §2.3. */
export const eventTokenType = 'secevent+jwt'
export const eventTokenMedia = 'application/secevent+jwt'

/** A subject identifier (SSF 1.0 §3), simple or complex. */
export type Subject = Record<string, unknown>

/** A queued signal: an event token without the members that its delivery adds. */
export interface Signal {
  event: string
  subject: Subject
  body: Record<string, unknown>
  /**
   * Links the signals of one occurrence across streams (RFC 8417 §2.2); for a pairwise subject, of that subject alone.
   */
  txn?: string
}

/** What an audit event means to a receiver; absent when nothing. */
export interface Meaning {
  event: string
  /** The session concerned, unless it is all of them. */
  session?: string
  body: Record<string, unknown>
}

/** The initiating entities of CAEP 1.0 §2. */
function initiator({ by }: Record<string, unknown>): string {
  if (by === 'operator') return 'admin'
  return by === undefined ? 'system' : 'user'
}

/** Credential types of CAEP 1.0 §3.3.1; codes by e-mail have none there. */
const credentials: Record<string, string> = { totp: 'app', passkey: 'fido2-platform' }

const everythingEnds: ReadonlySet<AuditType> = new Set<AuditType>([
  'account.signed_out_everywhere',
  'account.disabled',
  'account.deleted',
])
const oneEnds: ReadonlySet<AuditType> = new Set<AuditType>(['session.ended', 'session.signed_out'])
const factorChanges: Partial<Record<AuditType, string>> = {
  'account.factor_added': 'create',
  'account.factor_removed': 'delete',
}

/** For the receiver's log: the CAEP Interoperability Profile 1.0 §3 requires a `reason_admin` in each event. */
const reasons: Partial<Record<AuditType, string>> = {
  'account.signed_out_everywhere': 'Signed out everywhere',
  'account.disabled': 'Account disabled',
  'account.deleted': 'Account deleted',
  'session.ended': 'Session ended',
  'session.signed_out': 'Signed out',
  'account.password_changed': 'Password changed',
  'account.factor_added': 'Second factor added',
  'account.factor_removed': 'Second factor removed',
}

/**
 * | audit event                                        | events                                              |
 * |----------------------------------------------------|-----------------------------------------------------|
 * | signed out everywhere; account disabled or deleted | `session-revoked` of all sessions                   |
 * | a session ended, signed out                        | `session-revoked` of that session                   |
 * | password changed                                   | `credential-change`; `session-revoked` if all ended |
 * | authenticator app or passkey added or removed      | `credential-change`                                 |
 */
export function meaningsOf({ type, at, actor, detail = {} }: StoredEvent): Meaning[] {
  const isOwner = type === 'session.signed_out' || actor?.kind === 'account'
  const body = {
    event_timestamp: Math.floor(at / 1000),
    initiating_entity: isOwner && detail['by'] === undefined ? 'user' : initiator(detail),
    reason_admin: { en: reasons[type] },
  }
  const revoked = { event: sessionRevoked, body }
  if (everythingEnds.has(type)) return [revoked]
  if (oneEnds.has(type)) return [{ ...revoked, session: String(detail['session']) }]
  if (type === 'account.password_changed') {
    const changed = { ...body, credential_type: 'password', change_type: 'update' }
    // An owner who changes the password decides about other sessions; a reset ends all.
    return [
      { event: credentialChange, body: changed },
      ...(detail['others'] === undefined ? [revoked] : []),
    ]
  }
  const change = factorChanges[type]
  const credential = credentials[String(detail['kind'])]
  if (change === undefined || credential === undefined) return []
  const about = { ...body, credential_type: credential, change_type: change }
  return [{ event: credentialChange, body: about }]
}
