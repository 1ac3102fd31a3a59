import { z } from 'zod'
import { adminResource } from '../resources/admin-resource.ts'
import { permissions, type Subject, scopeOf } from '../roles/role.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Command } from './command.ts'

const input = z.strictObject({})

interface Output {
  client_id: string
  client_secret: string
  resource: string
  token_endpoint: string
  /** E-mail addresses of the operators that became owners. */
  owners: string[]
}

/** Client id of the machine client for initial setup. */
const clientId = 'keyturn-admin'

/**
 * `admin bootstrap`: `{ client_id, client_secret, resource, token_endpoint, owners }`. Works once: owners can grant
 * roles to others. If all owners are lost, `roles grant` on this machine restores one.
 */
export const adminBootstrap: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: () => ({}),
  async execute(core, _input) {
    const { accounts, clients, roles, config, audit } = core
    const { identifier: resource } = adminResource(config.issuer)
    let secret = ''
    const owners: string[] = []
    await roles.bootstrap(async (): Promise<Subject[]> => {
      await clients.declare(defaultTenant, {
        client_id: clientId,
        client_name: 'Keyturn administration',
        grant_types: ['client_credentials'],
        scope: permissions.map(scopeOf).join(' '),
        resources: [resource],
      })
      secret = await clients.rotateSecret(defaultTenant, clientId, 0)
      const operators = await accounts.lists.operators(defaultTenant)
      owners.push(...operators.map(({ email }) => email))
      await audit.record(defaultTenant, {
        type: 'admin.bootstrapped',
        clientId,
        detail: { accounts: operators.map(({ id }) => id) },
      })
      return [{ clientId }, ...operators.map(({ id: accountId }) => ({ accountId }))]
    })
    return {
      client_id: clientId,
      client_secret: secret,
      resource,
      token_endpoint: `${config.issuer}/token`,
      owners,
    }
  },
  render: ({ client_id, client_secret, resource, token_endpoint, owners }) =>
    [
      `Client ${client_id} can now administer this server. Its secret, shown once and not stored:`,
      `  ${client_secret}`,
      ...(owners.length > 0 ? [`Owners, too: ${owners.join(', ')}`] : []),
      '',
      'An access token for ten minutes:',
      `  curl -s ${token_endpoint} -u ${client_id}:SECRET -d grant_type=client_credentials -d resource=${resource}`,
    ].join('\n'),
}
