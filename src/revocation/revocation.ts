import type { Account } from '../accounts/account.ts'
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

/**
 * Ending things with everything that hangs from them, as `reaches` says. Each is one transaction: in Postgres, with
 * its audit event, before the caller is answered, honoured by every node within a second (architecture §7).
 *
 * A client may have more families than one transaction can end in time. Disabling or deleting it therefore begins with
 * what reaches everybody at once: the client is disabled and all its tokens are denied. From then on nothing starts
 * under it, and its families end batch by batch, with no denial of their own: each batch denies the client anew. Whoever
 * dies in between leaves them to the sweep, and nobody enables it before.
 *
 * Rows are locked in one order, from left to right, so that nobody waits in a circle (×: changes it; s: holds it as it
 * is, who changes it waits):
 *
 * | transaction                   | account | sessions | grants | client | families        | denials |
 * |-------------------------------|---------|----------|--------|--------|-----------------|---------|
 * | sign-in noted                 | s       |          |        |        |                 |         |
 * | sign-in, session written      | s       | ×        |        |        | × those dropped | ×       |
 * | code redeemed                 |         | s        | s      | s      | × new           |         |
 * | device allowed                | s       | s        |        |        |                 |         |
 * | device code redeemed          | s       | s        | s      | s      | × new           |         |
 * | backchannel request decided   | s       | s        |        |        |                 |         |
 * | backchannel request redeemed  | s       | s        | s      | s      | × new           |         |
 * | refresh                       |         |          |        |        | × its own       |         |
 * | session ended, log-out        |         | ×        |        |        | ×               | ×       |
 * | signed out everywhere         | ×       | ×        | ×      |        | ×               | ×       |
 * | … everywhere else             | ×       | ×        |        |        | ×               | ×       |
 * | account deleted               | ×       | ×        | ×      |        | ×               | ×       |
 * | password or account: the rest | ×       | ×        |        |        | ×               | ×       |
 * | own password, the rest stays  | ×       | ×        |        |        |                 |         |
 * | consent given                 | s       |          | ×      |        |                 |         |
 * | grant revoked                 |         |          | ×      |        | ×               | ×       |
 * | client disabled or deleted    |         |          |        | ×      |                 | ×       |
 * | … then, batch by batch        |         |          |        |        | ×               | ×       |
 * | … and what the sweep finds    |         |          |        | s      | ×               | ×       |
 * | tenant signed out, disabled   |         |          |        |        |                 | ×       |
 *
 * The owners of the admin API are held before anything else, where an account goes that may be the last of them.
 *
 * Who starts a family holds everything that it hangs from, so that a revocation either comes first, and is seen, or
 * finds the family. Who refreshes holds the family alone, which every revocation ends. Several families are locked in
 * the order of their ids; those past `MAX_FAMILIES` only when nobody holds them.
 */
export interface Revocations {
  logOutEverywhere(account: Pick<Account, 'tenant' | 'id'>, actor?: Actor): Promise<void>
  /** Ends all sessions but one, and all families that were not allowed in that one (ASVS 7.4.3). */
  logOutOthers(account: Account, uid: string, actor?: Actor): Promise<void>
  /**
   * For a person who changes the password knowing it, in the session that stays. Comes first in the transaction that
   * replaces it: it holds the account.
   * @param others whether everything that is not of this session ends
   */
  ownPasswordChanged(
    account: Account,
    session: { uid: string; others: boolean },
    actor: Actor,
  ): Promise<void>
  /** For whoever resets a password, or declares another one. */
  passwordChanged(account: Account, actor?: Actor): Promise<void>
  /** Whether it was deleted: see `deleteAccounts`. */
  deleteAccount(account: Account, actor: Actor): Promise<boolean>
  /**
   * Deletes accounts with all that they have: nobody signs in with their addresses, and their `sub` is never given again.
   * Their owners are told by mail. In a few statements however many they are, and in one transaction, which it joins.
   * @returns the ids of those: not the last operator or owner, nor who was deleted before
   */
  deleteAccounts(tenant: string, ids: string[], actor?: Actor): Promise<ReadonlySet<string>>
  /** Whether anything changed. @throws DomainError `last_operator`, `last_owner` */
  setAccountDisabled(account: Account, disabled: boolean, actor?: Actor): Promise<boolean>
  /**
   * Enabling takes up to two seconds where it was disabled just now: tokens are dated in seconds, and what it gets from
   * then on is not to be denied with what it had before. Within a transaction nobody waits, and that is denied as long.
   * @returns whether anything changed
   * @throws DomainError `client_not_found`, `last_owner`
   */
  setClientDisabled(
    tenant: string,
    clientId: string,
    disabled: boolean,
    actor?: Actor,
  ): Promise<boolean>
  /**
   * Takes up to two seconds: until no node takes the client for an enabled one, and until the next second, as tokens are
   * dated in seconds. Whoever declares it again under its name gets tokens that are not denied with those before.
   * @throws DomainError `client_not_found`, `last_owner`
   */
  deleteClient(tenant: string, clientId: string, actor?: ClientActor): Promise<void>
  /**
   * The same for many in one transaction, which it joins: for one change among others, of all or nothing. Whoever declares
   * one again within the next two seconds gets tokens that are denied as long.
   * @returns the ids of those that are gone, also where somebody else deleted them: all but the last owner
   */
  deleteClients(tenant: string, ids: string[], actor?: ClientActor): Promise<ReadonlySet<string>>
  /** Withdraws what an account allowed a client; whether there was anything. */
  revokeGrant(tenant: string, accountId: string, clientId: string, actor?: Actor): Promise<boolean>
  /**
   * Ends one session with what lives only as long as it.
   * @param accountId whose it must be
   * @returns whether it lived
   */
  endSession(tenant: string, uid: string, actor?: Actor, accountId?: string): Promise<boolean>
  /**
   * Makes every access token of a tenant void, those of machines too, which may be issued again a second later: within the
   * same second they are void as well. What brings people new ones is for `logOutEverywhere`.
   */
  signOutTenant(tenant: string, actor?: Actor): Promise<void>
  /** Enables like `setClientDisabled`. Whether anything changed. */
  setTenantDisabled(tenant: string, disabled: boolean, actor?: Actor): Promise<boolean>
}
