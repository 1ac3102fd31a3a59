/** The clients, resource servers and users that every measured server of ours has. */

const redirectUri = 'https://app.example.com/callback'

/** A confidential web client. */
export const web = {
  client_id: 'web',
  client_name: 'Example web app',
  client_secret: 'the-secret-of-the-web-client-0001',
  redirect_uris: [redirectUri],
  grant_types: ['authorization_code', 'refresh_token'],
  token_endpoint_auth_method: 'client_secret_basic',
}

/** A machine client. */
export const machine = {
  client_id: 'machine',
  client_secret: 'the-secret-of-the-machine-000001',
  grant_types: ['client_credentials'],
  scope: 'orders:read reports:read events:read',
}

/** A resource server that introspects tokens. */
export const introspector = {
  client_id: 'orders-api',
  client_secret: 'the-secret-of-the-orders-api-001',
  grant_types: ['client_credentials'],
}

const of = (
  identifier: string,
  scope: string,
  alg: 'ES256' | 'RS256',
  format: 'jwt' | 'opaque',
) => ({
  identifier,
  name: identifier,
  scopes: [scope],
  access_token_format: format,
  access_token_signing_alg: alg,
  introspection_clients: [introspector.client_id],
})

export const resourceServers = {
  orders: of('https://orders.example.com', 'orders:read', 'ES256', 'jwt'),
  reports: of('https://reports.example.com', 'reports:read', 'RS256', 'jwt'),
  events: of('https://events.example.com', 'events:read', 'ES256', 'opaque'),
}

export const password = 'the password of all who are here'

/** Each of these users is signed in, in their own browser. */
const personOf = (i: number) => ({ email: `person${i}@example.com`, name: `Person ${i}` })

export const people = [
  personOf(0),
  ...Array.from({ length: 7 }, (_, i) => personOf(i + 1)),
] as const

/** The clients with the members that requests need. */
export const clients = { web: { ...web, redirect_uri: redirectUri }, machine, introspector }

/** The client that sends a request. */
export type Role = keyof typeof clients

/** Request parameters by purpose. */
export const parameters = {
  /** For machine clients: tokens for two APIs. */
  orders: { scope: 'orders:read', resource: resourceServers.orders.identifier },
  reports: { scope: 'reports:read', resource: resourceServers.reports.identifier },
  /** For users: an API only, so that there is no ID token. */
  api: { scope: 'orders:read', resource: resourceServers.orders.identifier },
  opaque: { scope: 'events:read', resource: resourceServers.events.identifier },
  /** A typical sign-in, with an API. */
  signIn: {
    scope: 'openid profile email offline_access orders:read',
    resource: resourceServers.orders.identifier,
    nonce: 'the-nonce',
  },
  profile: { scope: 'openid profile email', nonce: 'the-nonce' },
}

export type ParameterSet = keyof typeof parameters

/** All parameter sets for users. */
export const asked = (['api', 'opaque', 'signIn', 'profile'] as const).map((set) => parameters[set])
