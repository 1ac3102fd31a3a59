import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { everywhere, mayDo } from '../roles/role.ts'
import { requiredAlgs } from '../signing/signing-key.ts'
import { defaultTenant, issuerOf, signUpDeclaration, tenantDeclaration } from '../tenants/tenant.ts'
import type { ListedTenant } from '../tenants/tenants.ts'
import { assertPermitted } from './caller.ts'
import { pageOf, textBefore } from './page.ts'
import { type Call, paging, type Route, route } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Tenants: issuers of their own. None is ever deleted. */

/** Settings for all accounts of a tenant. */
const policy = {
  sign_up: signUpDeclaration,
  require_mfa: z.boolean().describe('Every sign-in requires a second factor'),
  email_codes: z.boolean().describe('Users may enable codes by e-mail'),
}

const changes = z.strictObject({
  name: tenantDeclaration.shape.name.optional(),
  sign_up: policy.sign_up.optional(),
  require_mfa: policy.require_mfa.optional(),
  email_codes: policy.email_codes.optional(),
})

const tenant = named(
  'Tenant',
  tenantDeclaration.extend({
    ...policy,
    status: z.strictObject({ issuer: z.url(), disabled: z.boolean() }),
  }),
)
const item = '/tenants/{tenant}'

const representation =
  ({ core }: Call) =>
  ({ id, name, signUp, requireMfa, emailCodes, disabled }: ListedTenant) => ({
    id,
    name,
    sign_up: signUp,
    require_mfa: requireMfa,
    email_codes: emailCodes,
    status: { issuer: issuerOf(core.config.issuer, id), disabled },
  })

async function load(call: Call, lock = false) {
  const found = await call.core.tenants.view(call.tenant, lock)
  return found && representation(call)(found)
}

export const tenantRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/tenants',
    permission: 'tenants:read',
    anywhere: true,
    summary: 'List the tenants that the caller may read',
    query: z.strictObject(paging),
    response: listOf(tenant),
    async handle(call) {
      const after = textBefore(call) ?? ''
      const shown = (await call.core.tenants.list())
        .filter(({ id }) => mayDo(call.caller.roles, 'tenants:read', id))
        .filter(({ id }) => id > after)
      return pageOf(call, shown, representation(call), ({ id }) => [id])
    },
  }),
  route({
    method: 'POST',
    path: '/tenants',
    permission: 'tenants:write',
    summary: 'Create a tenant, with its signing keys',
    body: tenantDeclaration,
    status: 201,
    response: tenant,
    async handle(call) {
      const { core, body } = call
      if (!(await core.tenants.create(body))) {
        throw new DomainError('already_exists', { detail: { tenant: body.id } })
      }
      await core.signing.ensure(body.id, requiredAlgs)
      return load({ ...call, tenant: body.id })
    },
  }),
  route({
    method: 'GET',
    path: item,
    permission: 'tenants:read',
    summary: 'Read a tenant',
    response: tenant,
    current: load,
    handle: load,
  }),
  route<undefined, z.output<typeof changes>>({
    method: 'PATCH',
    path: item,
    permission: 'tenants:write',
    summary: 'Change the name or the settings of a tenant; omitted members stay unchanged',
    body: changes,
    response: tenant,
    current: load,
    async handle(call) {
      const { core, tenant: id, caller, body } = call
      // All subjects with roles, in whatever tenant, sign in here; so this needs a role with global reach.
      if (id === defaultTenant && (body.require_mfa ?? body.email_codes) !== undefined) {
        assertPermitted(caller, 'tenants:write', everywhere)
      }
      if (body.name !== undefined) await core.tenants.declare({ id, name: body.name })
      if (body.sign_up) await core.tenants.declareSignUp(id, body.sign_up)
      await core.tenants.setPolicy(id, {
        requireMfa: body.require_mfa,
        emailCodes: body.email_codes,
      })
      return load(call)
    },
  }),
  ...(['disable', 'enable'] as const).map((verb) =>
    route({
      method: 'POST',
      path: `${item}/${verb}`,
      permission: 'tenants:write',
      summary:
        verb === 'disable'
          ? 'Disable a tenant: its issuer stops answering, its data is kept'
          : 'Enable a disabled tenant',
      response: tenant,
      ownTransactions: true,
      async handle(call) {
        if (call.tenant === defaultTenant) {
          throw new DomainError('built_in', { detail: { tenant: call.tenant } })
        }
        const disabled = verb === 'disable'
        // Otherwise an administrator of the tenant could undo a suspension imposed on it.
        if (!disabled) assertPermitted(call.caller, 'tenants:write', everywhere)
        await call.core.revocations.setTenantDisabled(call.tenant, disabled, call.actor)
        return load(call)
      },
    }),
  ),
]
