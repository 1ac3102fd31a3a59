import { deviceCodeGrant } from '../../src/clients/client.ts'
import type { Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { remember } from './witness.ts'

/** Somebody who signs in. */
export const alice = {
  email: 'alice@example.com',
  name: 'Alice Liddell',
  password: 'down the rabbit hole 42',
}

export const api = 'https://api.example.com'
/** A resource server whose access tokens are opaque; declared by `furnishOpaque`. */
export const opaque = 'https://opaque.example.com'
export const callback = 'http://localhost:9/callback'

/** A confidential web client with a secret that came from outside. */
export const web = {
  client_id: 'web',
  client_name: 'Example web app',
  client_secret: 'a-secret-from-the-apply-file',
  redirect_uris: [callback],
  post_logout_redirect_uris: ['http://localhost:9/signed-out'],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'client_secret_basic',
}

/** A public client: a browser app. */
export const spa = {
  client_id: 'spa',
  client_name: 'Example browser app',
  redirect_uris: [callback],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'none',
}

/** A device without a browser: a television. */
export const tv = {
  client_id: 'tv',
  client_name: 'Example television',
  grant_types: [deviceCodeGrant, 'refresh_token'],
  token_endpoint_auth_method: 'none',
}

/** A machine. */
export const machine = {
  client_id: 'machine',
  client_secret: 'another-secret-from-outside',
  grant_types: ['client_credentials'],
  scope: 'orders:read',
}

/** A resource server that introspects. */
export const ordersApi = {
  client_id: 'orders-api',
  client_secret: 'the-secret-of-the-orders-api',
  grant_types: ['client_credentials'],
}

/** Declares an account, clients and a resource server: what most stories need. */
export async function furnish({ core }: { core: Core }, tenant = defaultTenant): Promise<void> {
  remember(alice.password, web.client_secret, machine.client_secret, ordersApi.client_secret)
  await core.resources.declare(tenant, {
    identifier: api,
    name: 'Orders',
    scopes: ['orders:read', 'orders:write'],
    introspection_clients: [ordersApi.client_id],
  })
  for (const client of [web, spa, tv, machine, ordersApi])
    await core.clients.declare(tenant, client)
  await core.accounts.declare(tenant, { ...alice, emailVerified: true })
}

/** Declares the resource server `opaque`, whose tokens `ordersApi` may introspect. */
export async function furnishOpaque({ core }: { core: Core }): Promise<void> {
  await core.resources.declare(defaultTenant, {
    identifier: opaque,
    scopes: ['read'],
    access_token_format: 'opaque',
    introspection_clients: [ordersApi.client_id],
  })
}
