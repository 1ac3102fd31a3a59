import type { Account } from '../../src/accounts/account.ts'
import type { LogoutFilter, LogoutView } from '../../src/logouts/logouts.ts'
import type { TestServer } from '../support/boot.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { type LogoutReceiver, startLogoutReceiver } from '../support/logout-receiver.ts'
import type { UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

export const bob = {
  email: 'bob@example.com',
  name: 'Bob',
  password: 'a caterpillar on a mushroom',
}

/** A confidential client with ES256 ID tokens that requires a `sid`. */
export const shop = {
  ...web,
  client_id: 'shop',
  client_secret: 'the-secret-of-the-second-app',
  id_token_signed_response_alg: 'ES256',
  backchannel_logout_session_required: true,
}

/** A tenant with two clients that receive log-out tokens, and two users. */
export interface LogoutScene {
  /** The server with the tenant's issuer, for the helpers of protocol.ts. */
  server: TestServer
  tenant: string
  webParty: LogoutReceiver
  shopParty: LogoutReceiver
  declare(client: object): Promise<unknown>
  accountOfAlice(): Promise<Account>
  logouts(filter?: LogoutFilter): Promise<LogoutView[]>
  /** The audit events about log-outs. */
  audited(): Promise<{ type: string; client_id: string; detail: object }[]>
  signOut(agent: UserAgent): Promise<unknown>
  /** Stops both receivers. */
  stop(): Promise<void>
}

let scenes = 0

/** @param on a server with ALLOW_LOOPBACK_FETCH */
export async function logoutScene(on: TestServer): Promise<LogoutScene> {
  const { core } = on
  const tenant = `acme-${scenes++}`
  await core.tenants.declare({ id: tenant, name: 'Acme' })
  await furnish(on, tenant)
  remember(shop.client_secret, bob.password)
  const issuer = `${on.issuer}/t/${tenant}`
  const webParty = await startLogoutReceiver({ issuer, clientId: web.client_id })
  const shopParty = await startLogoutReceiver({ issuer, clientId: shop.client_id, alg: 'ES256' })
  const declare = (client: object) => core.clients.declare(tenant, client)
  await declare({ ...web, backchannel_logout_uri: webParty.uri })
  await declare({ ...shop, backchannel_logout_uri: shopParty.uri })
  await core.accounts.declare(tenant, { ...bob, emailVerified: true })
  return {
    server: { ...on, issuer },
    ...{ tenant, webParty, shopParty, declare },
    accountOfAlice: async () => (await core.accounts.byIdentifier(tenant, alice.email)) as Account,
    logouts: (filter = {}) => core.logouts.list(tenant, filter),
    audited: () =>
      core.database.query(
        `select type, client_id, detail from audit_events
         where tenant_id = $1 and type like 'logout.%' order by at`,
        [tenant],
      ),
    signOut: async (agent) => agent.submit(await agent.get(`${issuer}/logout`)),
    async stop() {
      await Promise.all([webParty.stop(), shopParty.stop()])
    },
  }
}
