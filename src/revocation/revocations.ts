import { setTimeout as sleep } from 'node:timers/promises'
import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { Audit, AuditEvent } from '../audit/audit.ts'
import type { Clients } from '../clients/clients.ts'
import { type Denial, type Denials, denialOfClient, unheardFor } from '../denials/denials.ts'
import type { Factors } from '../factors/factors.ts'
import type { Families } from '../families/families.ts'
import type { Grants } from '../grants/grants.ts'
import { type Mail, noticeTo } from '../mail/mail.ts'
import type { MailLanguage } from '../mail/message.ts'
import type { Places } from '../places/places.ts'
import type { Platform } from '../platform.ts'
import type { Subject } from '../roles/role.ts'
import type { Roles } from '../roles/roles.ts'
import type { SessionEnd } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Tenants } from '../tenants/tenants.ts'
import {
  type Actor,
  type ClientActor,
  operator,
  type Revocation,
  type Revocations,
  reaches,
} from './revocation.ts'

/** Whose sessions, grants and families end. */
interface Holder {
  accountIds: string[]
  clientIds?: string[]
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
    /** The default language of mail. */
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

  type Event = Pick<AuditEvent, 'type' | 'accountId' | 'clientId' | 'detail'>
  function record(
    tenant: string,
    events: Event | Event[],
    { by, ip, userAgent }: ClientActor,
  ): Promise<void> {
    const whole = (event: Event) => ({ ...event, ip, userAgent, detail: { ...event.detail, by } })
    return audit.record(tenant, ...[events].flat().map(whole))
  }

  /** Roles exist only in the default tenant. @throws DomainError `last_owner` */
  async function assertMayGo(tenant: string, who: Subject, { force }: Pick<Actor, 'force'>) {
    if (tenant === defaultTenant && !force) await roles.assertNotLastOwner(who)
  }

  const mayGo = async (tenant: string, kind: 'accountId' | 'clientId', ids: string[]) =>
    tenant === defaultTenant ? roles.mayGo(kind, ids) : ids

  /** Waits for the second after a time, in milliseconds. */
  async function untilAfter(time: number): Promise<void> {
    const next = (Math.floor(time / 1000) + 1) * 1000
    await sleep(Math.min(Math.max(next - clock.now(), 0), 2000))
  }

  /**
   * Waits until new tokens no longer fall under an earlier denial. Denials only ever grow: to take one back, every
   * node, and every API with a copy, would have to know of it before anything is issued. Does not wait within a
   * transaction of the caller, which would hold its locks and, with embedded storage, the only connection.
   */
  async function untilUndenied(tenant: string, denial: Pick<Denial, 'kind' | 'subject'>) {
    if (database.current()?.isOpen()) return
    const until = await denials.deniedUntil(tenant, denial)
    if (until !== undefined) await untilAfter(until)
  }

  /**
   * Ends what holders have, in the order of the locks; what changes accounts comes before.
   * @returns how many grants ended
   */
  async function end(
    kind: Exclude<Revocation, 'session_ended' | `tenant_${string}` | ClientEnd>,
    tenant: string,
    which: Holder,
  ): Promise<number> {
    const reach = reaches[kind]
    if (endsSessions(kind)) {
      await accounts.voidSignIns(tenant, which.accountIds)
      await sessions.endAll(tenant, which.accountIds, kind, which.exceptSession)
    }
    const revoked = reach.grants === 'end' ? await grants.revoke(tenant, which, kind) : []
    // Every token of a family names its grant: where the grant is denied for good, its families need no denials.
    if (reach.families === 'end')
      await families.endAll(tenant, which, kind, reach.grants === 'end' ? [] : undefined)
    await denials.add(
      tenant,
      revoked.map((subject) => ({ kind: 'grant', subject })),
    )
    return revoked.length
  }

  /**
   * Ends families in batches. Each batch renews the denial of the clients, which so covers refreshes until their family
   * ended.
   */
  const endFamiliesOf = (tenant: string, clientIds: string[], kind: ClientEnd): Promise<boolean> =>
    families.endAll(tenant, { clientIds }, kind, clientIds.map(denialOfClient))

  const endAll =
    (kind: 'signed_out_everywhere' | 'password_changed') =>
    ({ tenant, id: accountId }: Pick<Account, 'tenant' | 'id'>, actor = operator) =>
      database.transaction(async () => {
        await end(kind, tenant, { accountIds: [accountId] })
        await record(tenant, { type: reaches[kind].event, accountId }, actor)
      })

  const deleteAccounts: Revocations['deleteAccounts'] = (tenant, ids, actor = operator) =>
    database.transaction(async () => {
      const going = await mayGo(tenant, 'accountId', ids)
      const deleted = await accounts.markDeleted(tenant, going)
      const accountIds = deleted.map(({ id }) => id)
      if (accountIds.length === 0) return new Set()
      if (tenant === defaultTenant) await roles.forget(accountIds)
      await end('account_deleted', tenant, { accountIds })
      // No audiences: APIs learn of it from what hangs from the account. Its id must not reach those who know a
      // pairwise subject.
      const itself = { kind: 'account', forGood: true, audiences: [] } as const
      const denied = accountIds.map((subject) => ({ ...itself, subject }))
      await denials.add(tenant, denied)
      await factors.forget(tenant, accountIds, actor)
      await accounts.forget(tenant, accountIds)
      await places.forget(tenant, accountIds)
      const type = reaches.account_deleted.event
      const events = accountIds.map((accountId) => ({ type, accountId }))
      await record(tenant, events, actor)
      // The mail does not reveal the address of an operator.
      const ip = actor.by === 'owner' ? actor.ip : undefined
      const { language = deps.language } = actor
      const told = { kind: 'account_deleted', language } as const
      const mailings = deleted.map((account) => ({
        ...told,
        accountId: account.id,
        ...noticeTo(account, ip),
      }))
      await mail.send(tenant, ...mailings)
      return new Set(accountIds)
    })

  return {
    logOutEverywhere: endAll('signed_out_everywhere'),
    passwordChanged: endAll('password_changed'),

    logOutOthers: ({ tenant, id: accountId }, uid, actor = operator) =>
      database.transaction(async () => {
        await end('others_signed_out', tenant, { accountIds: [accountId], exceptSession: uid })
        const type = reaches.others_signed_out.event
        await record(tenant, { type, accountId, detail: { session: uid } }, actor)
      }),

    ownPasswordChanged: ({ tenant, id: accountId }, { uid, others }, actor) =>
      database.transaction(async () => {
        // Even where nothing ends: the caller next writes the password and the session, which others lock after the
        // account.
        await accounts.lock(tenant, accountId)
        const rest = { accountIds: [accountId], exceptSession: uid }
        if (others) await end('password_changed', tenant, rest)
        const detail = { others: others ? 'end' : 'stay' }
        await record(tenant, { type: reaches.password_changed.event, accountId, detail }, actor)
      }),

    deleteAccounts,
    deleteAccount: async ({ tenant, id }, actor) =>
      (await deleteAccounts(tenant, [id], actor)).has(id),

    setAccountDisabled: (account, disabled, actor = operator) =>
      database.transaction(async () => {
        const { tenant, id: accountId } = account
        if (disabled) await assertMayGo(tenant, { accountId }, actor)
        const changed = await accounts.setDisabled(account, disabled, actor.force)
        if (disabled) await end('account_disabled', tenant, { accountIds: [accountId] })
        const type = disabled ? reaches.account_disabled.event : 'account.enabled'
        if (changed) await record(tenant, { type, accountId }, actor)
        return changed
      }),

    async setClientDisabled(tenant, clientId, disabled, actor = operator) {
      const type = disabled ? reaches.client_disabled.event : 'client.enabled'
      // Families that disabling could not end must not revive: most end here in batches, the rest in the transaction.
      const endRest = (deniedBy?: Denial[]) =>
        families.endAll(tenant, { clientIds: [clientId] }, 'client_disabled', deniedBy)
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
      if (disabled) await endFamiliesOf(tenant, [clientId], 'client_disabled')
      return changed
    },

    async deleteClient(tenant, clientId, actor = operator) {
      await database.transaction(async () => {
        await assertMayGo(tenant, { clientId }, actor)
        await clients.setDisabled(tenant, clientId, true)
        await denials.add(tenant, [denialOfClient(clientId)])
      })
      await endFamiliesOf(tenant, [clientId], 'client_deleted')
      const deniedAt = clock.now()
      await families.forget(tenant, [clientId])
      await sessions.forget(tenant, [clientId])
      await grants.forget(tenant, [clientId])
      await untilAfter(deniedAt + unheardFor)
      await database.transaction(async () => {
        await clients.delete(tenant, [clientId])
        await record(tenant, { type: reaches.client_deleted.event, clientId }, actor)
      })
    },

    deleteClients: (tenant, ids, actor = operator) =>
      database.transaction(async () => {
        const going = await mayGo(tenant, 'clientId', ids)
        await sessions.forget(tenant, going)
        // Locked now, in the order of the locks; deleted only when their families have ended.
        await grants.lock(tenant, going)
        const clientIds = await clients.lock(tenant, going)
        // Written just before the commit, so that `unheardFor` covers what nodes issue until they know of it.
        await denials.add(tenant, clientIds.map(denialOfClient))
        await endFamiliesOf(tenant, clientIds, 'client_deleted')
        await families.forget(tenant, clientIds)
        await grants.forget(tenant, clientIds)
        await clients.delete(tenant, clientIds)
        const type = reaches.client_deleted.event
        const events = clientIds.map((clientId) => ({ type, clientId }))
        await record(tenant, events, actor)
        return new Set(going)
      }),

    revokeGrant: (tenant, accountId, clientId, actor = operator) =>
      database.transaction(async () => {
        const which = { accountIds: [accountId], clientIds: [clientId] }
        const ended = await end('grant_revoked', tenant, which)
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
        // APIs that verify offline must learn of it; and earlier tokens stay void when the tenant is enabled again.
        if (disabled) await denials.add(tenant, [{ ...itself, unheardFor }])
        if (changed) await record(tenant, { type }, actor)
        return changed
      })
    },
  }
}
