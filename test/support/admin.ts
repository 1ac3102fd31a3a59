import { adminBootstrap } from '../../src/cli/admin-bootstrap.ts'
import { adminResource } from '../../src/resources/admin-resource.ts'
import { type AdminRole, everywhere, permissions, scopeOf } from '../../src/roles/role.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from './boot.ts'
import { exchange, type Page } from './http-exchange.ts'
import { post, type StoryClient, tokensIn } from './protocol.ts'
import { remember } from './witness.ts'

/** Every scope of the admin API. */
const allScopes = permissions.map(scopeOf).join(' ')

/** Options of a request to the admin API. */
export interface Asking {
  token?: string | undefined
  body?: unknown
  headers?: Readonly<Record<string, string>>
}

/** Sends a request to the admin API. @param path below `/admin/v1` */
export function ask(
  server: TestServer,
  method: string,
  path: string,
  { token, body, headers }: Asking = {},
): Promise<Page> {
  return exchange({
    method,
    url: new URL(`${server.issuer}/admin/v1${path}`),
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    identity: server.identity,
  })
}

/** A token of a machine for the admin API. */
export async function tokenOf(
  server: TestServer,
  client: StoryClient,
  scope?: string,
): Promise<string> {
  const resource = adminResource(server.core.config.issuer).identifier
  const page = await post(server, '/token', client, {
    grant_type: 'client_credentials',
    resource,
    scope,
  })
  return tokensIn(page).access_token
}

/** Creates the first owner. @returns its client */
export async function bootstrap({ core }: TestServer): Promise<StoryClient> {
  const { client_id, client_secret } = await adminBootstrap.execute(core, {})
  remember(client_secret)
  return { client_id, client_secret }
}

let machines = 0

/** A new machine with a role, or with none. */
export async function machineWith(
  { core }: TestServer,
  role?: AdminRole,
  reach = everywhere,
): Promise<StoryClient> {
  const { clientId, clientSecret } = await core.clients.declare(defaultTenant, {
    client_id: `${role ?? 'nobody'}-${++machines}`,
    grant_types: ['client_credentials'],
    scope: allScopes,
  })
  remember(clientSecret as string)
  if (role) await core.roles.grant({ clientId }, role, reach)
  return { client_id: clientId, client_secret: clientSecret as string }
}
