import { accountsDisable, accountsSignOut } from '../../src/cli/accounts-change.ts'
import { clientsDisable } from '../../src/cli/clients-disable.ts'
import { grantsRevoke } from '../../src/cli/grants.ts'
import { sessionsEnd, sessionsList } from '../../src/cli/sessions.ts'
import type { Core } from '../../src/core.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from '../support/boot.ts'
import { alice, api, ordersApi, web } from '../support/fixtures.ts'
import { authorizeUrl, post, redeem, type Tokens, tokensIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

/** A user with tokens of their own client, so that no revocation affects another one. */
export interface Held {
  app: typeof web
  identifier: string
  tokens: Tokens
}

/** Declares the API that verifies, and its client. */
export async function declareApi(core: Core): Promise<void> {
  await core.resources.declare(tenant, {
    identifier: api,
    scopes: ['orders:read'],
    introspection_clients: [ordersApi.client_id],
  })
  await core.clients.declare(tenant, ordersApi)
}

let people = 0

/** @param a the server that issues the tokens */
export async function hold(core: Core, a: TestServer): Promise<Held> {
  const app = { ...web, client_id: `app-${people}`, scope: 'openid offline_access orders:read' }
  const person = { username: `person-${people++}@example.com`, password: alice.password }
  await core.clients.declare(tenant, app)
  await core.accounts.declare(tenant, { email: person.username, password: person.password })
  const fields = { scope: 'openid orders:read', resource: api }
  const back = await createUserAgent().walk(authorizeUrl(a, app, fields), person)
  const tokens = tokensIn(await redeem(a, app, back.searchParams.get('code') as string))
  return { app, identifier: person.username, tokens }
}

/** Everything that ends an access token before it expires: by its client at node A, or by an operator. */
export const revocations: Record<
  string,
  (core: Core, a: TestServer, held: Held) => Promise<unknown>
> = {
  'a token': (_, a, { app, tokens }) => post(a, '/revoke', app, { token: tokens.access_token }),
  'a family': (_, a, { app, tokens }) => post(a, '/revoke', app, { token: tokens.refresh_token }),
  'a session': async (core, _, { identifier: account }) => {
    const { sessions } = await sessionsList.execute(core, { tenant, account })
    for (const { id } of sessions) await sessionsEnd.execute(core, { tenant, id })
  },
  'a grant': (core, _, { identifier, app: { client_id } }) =>
    grantsRevoke.execute(core, { tenant, identifier, client_id }),
  'an account': (core, _, { identifier }) => accountsDisable.execute(core, { tenant, identifier }),
  'a client': (core, _, { app: { client_id } }) =>
    clientsDisable.execute(core, { tenant, client_id }),
  'log-out everywhere': (core, _, { identifier }) =>
    accountsSignOut.execute(core, { tenant, identifier }),
}
