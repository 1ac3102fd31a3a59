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
  /** The audit event. */
  event: AuditEvent['type']
}

/**
 * Every revocation, and how far it reaches. Pending codes, paused sign-ins and access tokens end with what they hang
 * from. A disabled tenant is suspended: its issuer is unreachable, and everything is there again when it is enabled.
 * Signing out a tenant voids its access tokens; the caller then signs out its accounts one by one.
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
  /** The language of the mail to the owner; by default that of the installation. */
  language?: MailLanguage | undefined
  /** Whether even the last owner of the admin API may go: for the command line, which can make another one. */
  force?: boolean | undefined
}

/** Who ends a client: also the client itself (RFC 7592 §2.3), or the retention of unused clients. */
export type ClientActor = Omit<Actor, 'by'> & { by: Actor['by'] | 'client' | 'retention' }

/** Whoever may run commands on this machine; the default actor. */
export const operator: Actor = { by: 'operator' }

/**
 * Ends things with everything that hangs from them, as `reaches` says. Each call is one transaction: in Postgres, with
 * its audit event, before the caller is answered, honoured by every node within a second (architecture §7).
 *
 * A client may have more families than one transaction can end in time. Disabling or deleting it therefore begins with
 * what takes effect everywhere at once: the client is disabled and all its tokens are denied. From then on nothing
 * starts under it. Its families end in batches, without denials of their own: each batch renews the denial of the
 * client. If the process dies in between, the sweep ends the rest; enabling the client ends it first.
 *
 * Rows are locked in one order, from left to right, so that transactions cannot deadlock (×: changes the row; s: share
 * lock, changing it waits):
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
 * The owners of the admin API are locked first where an account or client is removed that may be the last of them.
 *
 * Who starts a family locks everything that it hangs from, so that a revocation either comes first, and is seen, or
 * finds the family. A refresh locks only the family, which every revocation ends. Several families are locked in the
 * order of their ids; those past `MAX_FAMILIES` only if nobody else holds them.
 */
export interface Revocations {
  logOutEverywhere(account: Pick<Account, 'tenant' | 'id'>, actor?: Actor): Promise<void>
  /** Ends all sessions but one, and all families that were not allowed in that one (ASVS 7.4.3). */
  logOutOthers(account: Account, uid: string, actor?: Actor): Promise<void>
  /**
   * For people who change their own password, in the session that stays. Comes first in the transaction that replaces
   * the password, as it locks the account.
   * @param session others: whether everything outside this session ends
   */
  ownPasswordChanged(
    account: Account,
    session: { uid: string; others: boolean },
    actor: Actor,
  ): Promise<void>
  /** For a password that was reset, or set by an operator. */
  passwordChanged(account: Account, actor?: Actor): Promise<void>
  /** Deletes one, as `deleteAccounts` does. @returns whether it was deleted */
  deleteAccount(account: Account, actor: Actor): Promise<boolean>
  /**
   * Deletes accounts with all that they have: nobody can sign in with their addresses, and their `sub` is never used
   * again. Their owners are told by mail. Takes a few statements, however many accounts there are, in one transaction
   * or in that of the caller.
   * @returns the ids of those it deleted: without the last operator or owner, and without those deleted before
   */
  deleteAccounts(tenant: string, ids: string[], actor?: Actor): Promise<ReadonlySet<string>>
  /**
   * @returns whether anything changed
   * @throws DomainError `last_operator`, `last_owner`
   */
  setAccountDisabled(account: Account, disabled: boolean, actor?: Actor): Promise<boolean>
  /**
   * Enabling takes up to two seconds if the client was disabled just now: tokens are dated in seconds, and new ones
   * must not fall under the denial of earlier ones. Within a transaction it does not wait, and new tokens are denied
   * that long.
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
   * Takes up to two seconds: until every node knows that the client is disabled, and the next second has begun, as
   * tokens are dated in seconds. The denial then does not reach the tokens of a client that is declared again under the
   * same id.
   * @throws DomainError `client_not_found`, `last_owner`
   */
  deleteClient(tenant: string, clientId: string, actor?: ClientActor): Promise<void>
  /**
   * Deletes many clients, all or none, in one transaction or in that of the caller. If one is declared again within two
   * seconds, its tokens are denied for that long.
   * @returns the ids of those that are gone, even if somebody else deleted them: without the last owner
   */
  deleteClients(tenant: string, ids: string[], actor?: ClientActor): Promise<ReadonlySet<string>>
  /** Withdraws what an account allowed a client. @returns whether there was anything */
  revokeGrant(tenant: string, accountId: string, clientId: string, actor?: Actor): Promise<boolean>
  /**
   * Ends one session with what lives only as long as it.
   * @param accountId whose it must be
   * @returns whether it lived
   */
  endSession(tenant: string, uid: string, actor?: Actor, accountId?: string): Promise<boolean>
  /**
   * Voids every access token of a tenant, including those of machines. New ones can be issued at once, but those of the
   * next two seconds are void as well. Sessions and refresh tokens stay: `logOutEverywhere` ends them.
   */
  signOutTenant(tenant: string, actor?: Actor): Promise<void>
  /** Enabling may wait, as in `setClientDisabled`. @returns whether anything changed */
  setTenantDisabled(tenant: string, disabled: boolean, actor?: Actor): Promise<boolean>
}
