import type { Account } from '../accounts/account.ts'
import type { Accounts } from '../accounts/accounts.ts'
import type { Clients } from '../clients/clients.ts'
import type { Denial, Denials } from '../denials/denials.ts'
import type { Families } from '../families/families.ts'
import type { FamilyEnd } from '../families/family.ts'
import type { Grants } from '../grants/grants.ts'
import type { SessionEnd } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Database } from '../storage/database.ts'
import type { Tenants } from '../tenants/tenants.ts'

/**
 * Ending things with everything that hangs from them. Each is one transaction: in Postgres before the caller is
 * answered, honoured by every node within a second (architecture §7).
 *
 * | what                   | sessions | families | grants | access tokens, codes | may come back        |
 * |------------------------|----------|----------|--------|----------------------|----------------------|
 * | log out everywhere     | end      | end      | end    | denied               | by signing in        |
 * | password changed       | end      | end      | stay   | denied               | by signing in        |
 * | account disabled       | end      | end      | stay   | denied               | when enabled         |
 * | client disabled        | stay     | end      | stay   | denied               | when enabled         |
 * | client deleted         | stay     | deleted  | deleted| denied               | never                |
 * | grant revoked          | stay     | end      | ends   | denied               | by consenting again  |
 * | tenant disabled        | stay     | stay     | stay   | its issuer is gone   | when enabled         |
 *
 * Rows are locked in one order, from left to right, so that nobody waits in a circle (×: changes it; s: holds it as it
 * is, who changes it waits):
 *
 * | transaction                  | account | sessions | grants | client | families       | denials |
 * |------------------------------|---------|----------|--------|--------|----------------|---------|
 * | sign-in, session written     | s       | ×        |        |        | × those dropped| ×       |
 * | code redeemed                |         | s        | s      | s      | × new          |         |
 * | device allowed               | s       | s        |        |        |                |         |
 * | device code redeemed         | s       | s        | s      | s      | × new          |         |
 * | refresh                      |         |          |        |        | × its own      |         |
 * | log-out                      |         | ×        |        |        | ×              | ×       |
 * | account: any of the above    | ×       | ×        | ×      |        | ×              | ×       |
 * | grant revoked                |         |          | ×      |        | ×              | ×       |
 * | client disabled              |         |          |        | ×      | ×              | ×       |
 * | client deleted               |         |          | ×      | ×      | ×              | ×       |
 *
 * Who starts a family holds everything that it hangs from, so that a revocation either comes first, and is seen, or
 * finds the family. Who refreshes holds the family alone, which every revocation ends. Several families are locked in
 * the order of their ids; those past `MAX_FAMILIES` only when nobody holds them.
 */
export interface Revocations {
  logOutEverywhere(account: Account): Promise<void>
  /** For whoever changes or resets a password. */
  passwordChanged(account: Account): Promise<void>
  /** Whether anything changed. */
  setAccountDisabled(account: Account, disabled: boolean): Promise<boolean>
  /** Whether anything changed. @throws DomainError `client_not_found` */
  setClientDisabled(tenant: string, clientId: string, disabled: boolean): Promise<boolean>
  /** @throws DomainError `client_not_found` */
  deleteClient(tenant: string, clientId: string): Promise<void>
  /** Withdraws what an account allowed a client; whether there was anything. */
  revokeGrant(tenant: string, accountId: string, clientId: string): Promise<boolean>
  /** Whether anything changed. */
  setTenantDisabled(tenant: string, disabled: boolean): Promise<boolean>
}

export function createRevocations({
  database,
  accounts,
  clients,
  tenants,
  sessions,
  families,
  grants,
  denials,
}: {
  database: Database
  accounts: Accounts
  clients: Clients
  tenants: Tenants
  sessions: Sessions
  families: Families
  grants: Grants
  denials: Denials
}): Revocations {
  async function endSessions(account: Account, reason: SessionEnd): Promise<void> {
    await accounts.voidSignIns(account)
    await sessions.endAll(account.tenant, account.id, reason)
  }

  async function endOf(account: Account, reason: FamilyEnd & SessionEnd): Promise<void> {
    await endSessions(account, reason)
    await families.endAll(account.tenant, { accountId: account.id }, reason)
  }

  const deny = (tenant: string, denial: Denial) => denials.add(tenant, [denial])

  return {
    logOutEverywhere: (account) =>
      database.transaction(async () => {
        const { tenant, id: accountId } = account
        await endSessions(account, 'signed_out_everywhere')
        await grants.revoke(tenant, { accountId }, 'signed_out_everywhere')
        await families.endAll(tenant, { accountId }, 'signed_out_everywhere')
      }),

    passwordChanged: (account) => database.transaction(() => endOf(account, 'password_changed')),

    setAccountDisabled: (account, disabled) =>
      database.transaction(async () => {
        const changed = await accounts.setDisabled(account, disabled)
        if (disabled) await endOf(account, 'account_disabled')
        return changed
      }),

    setClientDisabled: (tenant, clientId, disabled) =>
      database.transaction(async () => {
        const changed = await clients.setDisabled(tenant, clientId, disabled)
        if (disabled) {
          await families.endAll(tenant, { clientId }, 'client_disabled')
        }
        // When it is enabled: for what a node gave it that had not heard of it yet.
        await deny(tenant, { kind: 'client', subject: clientId, sparesThisSecond: !disabled })
        return changed
      }),

    deleteClient: (tenant, clientId) =>
      database.transaction(async () => {
        await grants.revoke(tenant, { clientId }, 'client_disabled')
        await clients.setDisabled(tenant, clientId, true)
        await families.endAll(tenant, { clientId }, 'client_disabled')
        await deny(tenant, { kind: 'client', subject: clientId, forGood: true })
        await clients.delete(tenant, clientId)
      }),

    revokeGrant: (tenant, accountId, clientId) =>
      database.transaction(async () => {
        const which = { accountId, clientId }
        const revoked = await grants.revoke(tenant, which, 'grant_revoked')
        await families.endAll(tenant, which, 'grant_revoked')
        await denials.add(
          tenant,
          revoked.map((subject) => ({ kind: 'grant', subject })),
        )
        return revoked.length > 0
      }),

    setTenantDisabled: (tenant, disabled) => tenants.setDisabled(tenant, disabled),
  }
}
