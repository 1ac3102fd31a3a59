import { permissions, scopeOf } from '../roles/role.ts'
import type { ResourceServer } from './resource-server.ts'

/** Where the admin API is, below the configured issuer. */
export const adminPath = '/admin/v1'

/**
 * The built-in resource server of the admin API, of the default tenant alone: it cannot be edited or deleted. What its
 * tokens permit depends on the roles of their holder.
 * @param issuer the configured one
 */
export function adminResource(issuer: string): ResourceServer {
  return {
    identifier: issuer + adminPath,
    name: 'Keyturn admin API',
    scopes: permissions.map(scopeOf),
    access_token_format: 'jwt',
    access_token_signing_alg: 'ES256',
    introspection_clients: [],
    default: false,
    open: false,
    namedOnly: true,
  }
}
