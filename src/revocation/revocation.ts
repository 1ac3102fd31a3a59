import type { AuditEvent } from '../audit/audit.ts'
import type { MailLanguage } from '../mail/message.ts'

/** What a revocation does to what hangs from its subject. */
interface Reach {
  sessions: 'end' | 'stay'
  /** With their refresh and access tokens. */
  families: 'end' | 'stay'
  /** Consent, with whatever was issued by it. */
  grants: 'end' | 'stay'
  /** What is written down. */
  event: AuditEvent['type']
}

/**
 * Every revocation, and how far it reaches. Pending codes, paused sign-ins and access tokens end with what they hang
 * from. A disabled tenant is suspended: its issuer is gone, everywhere, and everything is there when it comes back. Of one
 * that is signed out every access token is void; whoever does that signs out its accounts next, one by one.
 */
export const reaches = {
  signed_out_everywhere: {
    sessions: 'end',
    families: 'end',
    grants: 'end',
    event: 'account.signed_out_everywhere',
  },
  others_signed_out: {
    sessions: 'end',
    families: 'end',
    grants: 'stay',
    event: 'account.others_signed_out',
  },
  password_changed: {
    sessions: 'end',
    families: 'end',
    grants: 'stay',
    event: 'account.password_changed',
  },
  account_disabled: {
    sessions: 'end',
    families: 'end',
    grants: 'stay',
    event: 'account.disabled',
  },
  account_deleted: {
    sessions: 'end',
    families: 'end',
    grants: 'end',
    event: 'account.deleted',
  },
  session_ended: { sessions: 'end', families: 'end', grants: 'stay', event: 'session.ended' },
  grant_revoked: { sessions: 'stay', families: 'end', grants: 'end', event: 'grant.revoked' },
  client_disabled: { sessions: 'stay', families: 'end', grants: 'stay', event: 'client.disabled' },
  client_deleted: { sessions: 'stay', families: 'end', grants: 'end', event: 'client.deleted' },
  tenant_signed_out: {
    sessions: 'stay',
    families: 'stay',
    grants: 'stay',
    event: 'tenant.signed_out',
  },
  tenant_disabled: { sessions: 'stay', families: 'stay', grants: 'stay', event: 'tenant.disabled' },
} as const satisfies Record<string, Reach>

export type Revocation = keyof typeof reaches

/** Who revokes. */
export interface Actor {
  by: 'owner' | 'operator'
  ip?: string | undefined
  userAgent?: string | undefined
  /** In which the owner is told; without one, the language of the installation. */
  language?: MailLanguage | undefined
  /** Even the last owner of the admin API goes: for whoever is on this machine, where another one can be made. */
  force?: boolean | undefined
}

/** Who ends a client: also the client itself (RFC 7592 §2.3), or the time that it was not used. */
export type ClientActor = Omit<Actor, 'by'> & { by: Actor['by'] | 'client' | 'retention' }

/** Whoever may run commands on this machine. */
export const operator: Actor = { by: 'operator' }
