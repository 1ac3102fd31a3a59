import { randomUUID } from 'node:crypto'
import type { Core } from '../../src/core.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { someSession, tokenOf } from './people.ts'

/** One object of every kind in the admin API's paths, by parameter name. */
export type AdminObjects = Record<string, string>

/** Creates one object of every kind in a tenant. */
export async function objectsIn(core: Core, tenant: string): Promise<AdminObjects> {
  const { clientId } = await core.clients.declare(tenant, {
    redirect_uris: ['https://app.example.com/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
  })
  const { account } = await core.accounts.create(
    tenant,
    { email: `${randomUUID()}@example.com` },
    { password: '', stored: { hash: 'x', oneTime: true, short: false, expiresAt: 0 } },
  )
  const identifier = `https://${randomUUID()}.example.com/api`
  await core.resources.declare(tenant, { identifier, scopes: ['read'] })
  const session = someSession({ accountId: account.id })
  await core.sessions.save(tenant, session, newHandle(), [], [])
  const grant = { tenant, id: newHandle(), accountId: account.id, clientId }
  await core.grants.save({ ...grant, allowed: { openid: { scope: 'openid' } } })
  const family = {
    tenant,
    id: newHandle(),
    grantId: grant.id,
    accountId: account.id,
    clientId,
    endsWithSession: false,
    allowedFrom: {},
    expiresAt: Date.now() + 3_600_000,
  }
  await core.families.start(family, tokenOf(newHandle()))
  const { clientId: machine } = await core.clients.declare(defaultTenant, {
    grant_types: ['client_credentials'],
  })
  const role = await core.roles.grant({ clientId: machine }, 'auditor', tenant)
  const [key] = await core.signing.list(tenant)
  const { id: token } = await core.registrations.initialTokens.create(tenant, { uses: 1, ttl: 600 })
  const invited = { kind: 'invitation' as const, email: `${randomUUID()}@example.com` }
  const invitation = await core.enrolmentTokens.issue(tenant, invited)
  const denial = randomUUID()
  core.refusals.note({
    id: denial,
    tenant,
    endpoint: 'token',
    check: 'client_known',
    error: 'invalid_client',
    clientId: `of ${denial}`,
  })
  return {
    tenant,
    client_id: clientId,
    account_id: account.id,
    identifier,
    session_id: session.uid,
    grant_id: grant.id,
    family_id: family.id,
    role_id: role?.id ?? '',
    kid: key?.kid ?? '',
    denial_id: denial,
    token_id: token,
    invitation_id: invitation,
    machine,
  }
}

/** The URL of a route for these objects. */
export function addressOf(path: string, objects: AdminObjects): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(objects[name] ?? ''))
}

/** A body for each route that takes one. */
export const bodies: Record<string, (objects: AdminObjects) => object> = {
  'POST /tenants': () => ({ id: `t-${randomUUID()}`, name: 'Another' }),
  'PATCH /tenants/{tenant}': () => ({ name: 'Renamed', sign_up: { mode: 'invitation' } }),
  'POST /tenants/{tenant}/resource-servers': () => ({
    identifier: `https://${randomUUID()}.example.com`,
  }),
  'PUT /tenants/{tenant}/resource-servers/{identifier}': ({ identifier }) => ({
    identifier,
    scopes: ['write'],
  }),
  'POST /tenants/{tenant}/clients': () => ({ grant_types: ['client_credentials'] }),
  'PUT /tenants/{tenant}/clients/{client_id}': ({ client_id }) => ({
    client_id,
    redirect_uris: ['https://app.example.com/other'],
  }),
  'POST /tenants/{tenant}/clients/{client_id}/secrets': () => ({ overlap: 60 }),
  'POST /tenants/{tenant}/accounts': () => ({ email: `${randomUUID()}@example.com` }),
  'PATCH /tenants/{tenant}/accounts/{account_id}': () => ({ name: 'Somebody Else' }),
  'PUT /tenants/{tenant}/registration-policy': () => ({ mode: 'token', unused_days: 7 }),
  'POST /tenants/{tenant}/initial-access-tokens': () => ({ name: 'CI', uses: 2 }),
  'POST /tenants/{tenant}/invitations': () => ({ email: `${randomUUID()}@example.com` }),
  'POST /tenants/{tenant}/keys/rotate': () => ({ alg: 'ES256' }),
  'POST /roles': ({ machine, tenant }) => ({
    client_id: machine,
    role: 'help_desk',
    reach: tenant,
  }),
}
