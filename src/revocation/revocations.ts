import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { Audit, AuditEvent } from '../audit/audit.ts'
import type { Clients } from '../clients/clients.ts'
import { type Denial, type Denials, denialOfClient, unheardFor } from '../denials/denials.ts'
import type { Factors } from '../factors/factors.ts'
import type { Families } from '../families/families.ts'
import type { Grants } from '../grants/grants.ts'
import type { Mail } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Places } from '../places/places.ts'
import type { Platform } from '../platform.ts'
import type { Subject } from '../roles/role.ts'
import type { Roles } from '../roles/roles.ts'
import type { SessionEnd } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Tenants } from '../tenants/tenants.ts'
import { type Actor, type ClientActor, operator, type Revocation, reaches } from './revocation.ts'

/**
 * Ending things with everything that hangs from them, as `reaches` says. Each is one transaction: in Postgres, with
 * its audit event, before the caller is answered, honoured by every node within a second (architecture §7).
 *
 * A client may have more families than one transaction can end in time. Disabling or deleting it therefore begins with
 * what reaches everybody at once: the client is disabled and all its tokens are denied. From then on nothing starts
 * under it, and its families end batch by batch, with no denial of their own: each batch denies the client anew. Whoever dies in between leaves them to the sweep, and nobody enables
 * it before.
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
  /**
   * Deletes an account with all that it has: nobody signs in with its address, and its `sub` is never given again. Its
   * owner is told by mail.
   * @returns whether it was deleted: not when it is the last operator or owner, or was deleted
   *   before
   */
  deleteAccount(account: Account, actor: Actor): Promise<boolean>
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
   * The same in one transaction, which it joins: for one change among others, of all or nothing. Whoever declares it
   * again within the next two seconds gets tokens that are denied as long.
   * @throws DomainError `client_not_found`, `last_owner`
   */
  deleteClientAtOnce(tenant: string, clientId: string, actor?: ClientActor): Promise<void>
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

/** Whose sessions, grants and families end. */
interface Holder {
  accountId: string
  clientId?: string
  /** A session that stays, with what was allowed in it. */
  exceptSession?: string
}

type ClientEnd = 'client_disabled' | 'client_deleted'

const endsSessions = (kind: Revocation): kind is Revocation & SessionEnd =>
  reaches[kind].sessions === 'end'

export function createRevocations(
  deps: Pick<Platform, 'database' | 'clock'> & {
    accounts: Accounts
    clients: Clients
    factors: Factors
    places: Places
    tenants: Tenants
    sessions: Sessions
    families: Families
    grants: Grants
    denials: Denials
    roles: Roles
    audit: Audit
    mail: Mail
    /** Of the installation. */
    language: MailLanguage
  },
): Revocations {
  const {
    database,
    clock,
    accounts,
    clients,
    factors,
    places,
    tenants,
    sessions,
    families,
    grants,
    denials,
    roles,
    audit,
    mail,
  } = deps

  function record(
    tenant: string,
    event: Pick<AuditEvent, 'type' | 'accountId' | 'clientId' | 'detail'>,
    { by, ip, userAgent }: ClientActor,
  ): Promise<void> {
    return audit.record(tenant, { ...event, ip, userAgent, detail: { ...event.detail, by } })
  }

  /** Only who is in the default tenant has roles. @throws DomainError `last_owner` */
  async function assertMayGo(tenant: string, who: Subject, { force }: Pick<Actor, 'force'>) {
    if (tenant === defaultTenant && !force) await roles.assertNotLastOwner(who)
  }

  /** Waits for the second after a time, in milliseconds. */
  async function untilAfter(time: number): Promise<void> {
    const next = (Math.floor(time / 1000) + 1) * 1000
    await sleep(Math.min(Math.max(next - clock.now(), 0), 2000))
  }

  /**
   * Waits until what is issued is not denied with what was issued before. Denials only ever reach further: to take one back
   * would need every node, and every API that keeps a copy, to hear of that before anything is issued. Within a
   * transaction of somebody else's, locks would be held meanwhile, and with embedded storage the one connection.
   */
  async function untilUndenied(tenant: string, denial: Pick<Denial, 'kind' | 'subject'>) {
    if (database.current()?.isOpen()) return
    const until = await denials.deniedUntil(tenant, denial)
    if (until !== undefined) await untilAfter(until)
  }

  /**
   * Ends what a holder has, in the order of the locks; what changes an account comes before.
   * @returns how many grants ended
   */
  async function end(
    kind: Exclude<
      Revocation,
      'session_ended' | 'tenant_signed_out' | 'tenant_disabled' | ClientEnd
    >,
    tenant: string,
    which: Holder,
  ): Promise<number> {
    const reach = reaches[kind]
    if (endsSessions(kind)) {
      await accounts.voidSignIns(tenant, which.accountId)
      await sessions.endAll(tenant, which.accountId, kind, which.exceptSession)
    }
    const revoked = reach.grants === 'end' ? await grants.revoke(tenant, which, kind) : []
    // Every token of a family names its grant: where that is denied, for good, the family need not be.
    if (reach.families === 'end')
      await families.endAll(tenant, which, kind, reach.grants === 'end' ? [] : undefined)
    await denials.add(
      tenant,
      revoked.map((subject) => ({ kind: 'grant', subject })),
    )
    return revoked.length
  }

  /** A batch at a time, each with the denial of the client: it covers what was refreshed until its family ended. */
  const endFamiliesOf = (tenant: string, clientId: string, kind: ClientEnd): Promise<boolean> =>
    families.endAll(tenant, { clientId }, kind, [denialOfClient(clientId)])

  const endAll =
    (kind: 'signed_out_everywhere' | 'password_changed') =>
    (account: Pick<Account, 'tenant' | 'id'>, actor = operator) =>
      database.transaction(async () => {
        const { tenant, id: accountId } = account
        await end(kind, tenant, { accountId })
        await record(tenant, { type: reaches[kind].event, accountId }, actor)
      })

  return {
    logOutEverywhere: endAll('signed_out_everywhere'),
    passwordChanged: endAll('password_changed'),

    logOutOthers: ({ tenant, id: accountId }, uid, actor = operator) =>
      database.transaction(async () => {
        const type = reaches.others_signed_out.event
        await end('others_signed_out', tenant, { accountId, exceptSession: uid })
        await record(tenant, { type, accountId, detail: { session: uid } }, actor)
      }),

    ownPasswordChanged: ({ tenant, id: accountId }, { uid, others }, actor) =>
      database.transaction(async () => {
        const type = reaches.password_changed.event
        // Also where nothing ends: the password and the session, written next, are what others lock behind the account.
        await accounts.lock(tenant, accountId)
        if (others) await end('password_changed', tenant, { accountId, exceptSession: uid })
        await record(
          tenant,
          { type, accountId, detail: { others: others ? 'end' : 'stay' } },
          actor,
        )
      }),

    deleteAccount: ({ tenant, id: accountId, email: to }, actor) =>
      database.transaction(async () => {
        const hasRoles = tenant === defaultTenant
        if (hasRoles && (await roles.isLastOwner({ accountId }))) return false
        if (!(await accounts.markDeleted(tenant, accountId))) return false
        if (hasRoles) await roles.forget(accountId)
        await end('account_deleted', tenant, { accountId })
        // APIs hear of it by what hangs from the account: its id is for nobody who knows a pairwise subject.
        const itself = { kind: 'account', subject: accountId, forGood: true } as const
        await denials.add(tenant, [{ ...itself, audiences: [] }])
        await factors.forget(tenant, accountId, actor)
        await accounts.forget(tenant, accountId)
        await places.forget(tenant, accountId)
        await record(tenant, { type: reaches.account_deleted.event, accountId }, actor)
        // From where an operator works is nothing for its owner.
        const ip = actor.by === 'owner' ? actor.ip : undefined
        const { language = deps.language } = actor
        await mail.send(tenant, { kind: 'account_deleted', accountId, language, to, ip })
        return true
      }),

    setAccountDisabled: (account, disabled, actor = operator) =>
      database.transaction(async () => {
        const { tenant, id: accountId } = account
        if (disabled) await assertMayGo(tenant, { accountId }, actor)
        const changed = await accounts.setDisabled(account, disabled, actor.force)
        if (disabled) await end('account_disabled', tenant, { accountId })
        const type = disabled ? reaches.account_disabled.event : 'account.enabled'
        if (changed) await record(tenant, { type, accountId }, actor)
        return changed
      }),

    async setClientDisabled(tenant, clientId, disabled, actor = operator) {
      const type = disabled ? reaches.client_disabled.event : 'client.enabled'
      // What whoever disabled it could not end must not come back with it: nearly all of it in batches, the rest below.
      const endRest = (deniedBy?: Denial[]) =>
        families.endAll(tenant, { clientId }, 'client_disabled', deniedBy)
      if (!disabled && (await clients.isDisabled(tenant, clientId))) {
        const itself = { kind: 'client', subject: clientId } as const
        await endRest([itself])
        await untilUndenied(tenant, itself)
      }
      const changed = await database.transaction(async () => {
        if (disabled) await assertMayGo(tenant, { clientId }, actor)
        const isNews = await clients.setDisabled(tenant, clientId, disabled)
        if (!disabled && isNews) await endRest()
        if (disabled) await denials.add(tenant, [denialOfClient(clientId)])
        if (isNews) await record(tenant, { type, clientId }, actor)
        return isNews
      })
      if (disabled) await endFamiliesOf(tenant, clientId, 'client_disabled')
      return changed
    },

    async deleteClient(tenant, clientId, actor = operator) {
      await database.transaction(async () => {
        await assertMayGo(tenant, { clientId }, actor)
        await clients.setDisabled(tenant, clientId, true)
        await denials.add(tenant, [denialOfClient(clientId)])
      })
      await endFamiliesOf(tenant, clientId, 'client_deleted')
      const deniedAt = clock.now()
      await families.forget(tenant, clientId)
      await sessions.forget(tenant, clientId)
      await grants.forget(tenant, clientId)
      await untilAfter(deniedAt + unheardFor)
      await database.transaction(async () => {
        await clients.delete(tenant, clientId)
        await record(tenant, { type: reaches.client_deleted.event, clientId }, actor)
      })
    },

    deleteClientAtOnce: (tenant, clientId, actor = operator) =>
      database.transaction(async () => {
        await assertMayGo(tenant, { clientId }, actor)
        await sessions.forget(tenant, clientId)
        await grants.forget(tenant, clientId)
        await clients.setDisabled(tenant, clientId, true)
        // Written just before the commit, and so past what a node that has not heard of it may still issue.
        await denials.add(tenant, [denialOfClient(clientId)])
        await endFamiliesOf(tenant, clientId, 'client_deleted')
        await families.forget(tenant, clientId)
        await clients.delete(tenant, clientId)
        await record(tenant, { type: reaches.client_deleted.event, clientId }, actor)
      }),

    revokeGrant: (tenant, accountId, clientId, actor = operator) =>
      database.transaction(async () => {
        const ended = await end('grant_revoked', tenant, { accountId, clientId })
        if (ended === 0) return false
        await record(tenant, { type: reaches.grant_revoked.event, accountId, clientId }, actor)
        return true
      }),

    endSession: (tenant, uid, actor = operator, accountId) =>
      database.transaction(async () => {
        const session = await sessions.byUid(tenant, uid)
        const ended = await sessions.end(
          tenant,
          uid,
          actor.by === 'owner' ? 'signed_out' : 'operator',
          accountId,
        )
        const event = { type: reaches.session_ended.event, accountId: session?.accountId }
        if (ended) await record(tenant, { ...event, detail: { session: uid } }, actor)
        return ended
      }),

    signOutTenant: (tenant, actor = operator) =>
      database.transaction(async () => {
        await denials.add(tenant, [{ kind: 'tenant', subject: tenant, unheardFor }])
        await record(tenant, { type: reaches.tenant_signed_out.event }, actor)
      }),

    async setTenantDisabled(tenant, disabled, actor = operator) {
      const itself = { kind: 'tenant', subject: tenant } as const
      if (!disabled && (await tenants.view(tenant))?.disabled) await untilUndenied(tenant, itself)
      return database.transaction(async () => {
        const changed = await tenants.setDisabled(tenant, disabled)
        const type = disabled ? reaches.tenant_disabled.event : 'tenant.enabled'
        // Whoever verifies offline is to hear of it; what was issued before is void when the tenant is back, too.
        if (disabled) await denials.add(tenant, [{ ...itself, unheardFor }])
        if (changed) await record(tenant, { type }, actor)
        return changed
      })
    },
  }
}
