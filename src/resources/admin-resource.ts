import { permissions, scopeOf } from '../roles/role.ts'
import type { ResourceServer } from './resource-server.ts'

/** Where the admin API is, below the configured issuer. */
export const adminPath = '/admin/v1'

/**
 * The resource server of the admin API: built in, of the default tenant alone, so that nobody edits or deletes it. What
 * its tokens are worth is decided by the roles of who presents them.
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
