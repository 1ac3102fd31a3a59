import type { StoredEvent } from '../audit/event.ts'
import type { AuditType } from '../audit/kinds.ts'

/** The events of CAEP 1.0 that this server sends, and those of the framework itself (SSF 1.0 §8.1.4, §8.1.5). */
const sessionRevoked = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'
const credentialChange = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
export const verification = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
export const streamUpdated = 'https://schemas.openid.net/secevent/ssf/event-type/stream-updated'

/** Those that a receiver may ask for. */
export const supportedEvents: readonly string[] = [sessionRevoked, credentialChange]

/** RFC 8417 §2.3. */
export const eventTokenType = 'secevent+jwt'
export const eventTokenMedia = 'application/secevent+jwt'

/** A subject as SSF 1.0 §3 writes it: in a simple form, or in several parts. */
export type Subject = Record<string, unknown>

/** What waits in a stream: all of an event token but what its delivery knows. */
export interface Signal {
  event: string
  subject: Subject
  body: Record<string, unknown>
  /** Tells what came of one occurrence, over all streams (RFC 8417 §2.2); for a pairwise subject, about it alone. */
  txn?: string
}

/** What an audit event means to whoever has a person's tokens; absent where it means nothing. */
export interface Meaning {
  event: string
  /** The session it is about, where it is not about all of them. */
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

/** For whoever reads the receiver's log: the CAEP Interoperability Profile 1.0 §3 wants a `reason_admin` of each event. */
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
 * | audit event                                              | events                                                     |
 * |----------------------------------------------------------|------------------------------------------------------------|
 * | signed out everywhere; account disabled or deleted       | `session-revoked` of all sessions                          |
 * | a session ended, signed out                              | `session-revoked` of that session                          |
 * | password changed                                         | `credential-change`; `session-revoked` where everything ended |
 * | authenticator app or passkey added or removed            | `credential-change`                                        |
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
    // Who changes it knowing it says what happens to the other sessions; all end where it is reset.
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
