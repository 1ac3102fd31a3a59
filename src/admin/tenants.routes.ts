import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { everywhere } from '../roles/role.ts'
import { requiredAlgs } from '../signing/signing-key.ts'
import { defaultTenant, issuerOf, tenantDeclaration } from '../tenants/tenant.ts'
import type { ListedTenant } from '../tenants/tenants.ts'
import { pageOf, pagePlace } from './page.ts'
import { type Call, paging, type Route, route } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Tenants: issuers of their own. None is ever deleted. */

const tenant = named(
  'Tenant',
  tenantDeclaration.extend({
    status: z.strictObject({ issuer: z.url(), disabled: z.boolean() }),
  }),
)
const item = '/tenants/{tenant}'

const representation =
  ({ core }: Call) =>
  ({ id, name, disabled }: ListedTenant) => ({
    id,
    name,
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
    summary: 'List the tenants that a role of the caller reaches',
    query: z.strictObject(paging),
    response: listOf(tenant),
    async handle(call) {
      const [after = ''] = pagePlace(call)
      const reaches = new Set(call.caller.roles.map(({ reach }) => reach))
      const shown = (await call.core.tenants.list())
        .filter(({ id }) => reaches.has(everywhere) || reaches.has(id))
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
      return representation(call)({ ...body, disabled: false })
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
  route<undefined, { name: string }>({
    method: 'PATCH',
    path: item,
    permission: 'tenants:write',
    summary: 'Rename a tenant',
    body: tenantDeclaration.pick({ name: true }),
    response: tenant,
    current: load,
    async handle(call) {
      await call.core.tenants.declare({ id: call.tenant, name: call.body.name })
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
          ? 'Stop to answer for an issuer; everything is there when it comes back'
          : 'Answer for a disabled issuer again',
      response: tenant,
      async handle(call) {
        if (call.tenant === defaultTenant) {
          throw new DomainError('built_in', { detail: { tenant: call.tenant } })
        }
        const disabled = verb === 'disable'
        await call.core.revocations.setTenantDisabled(call.tenant, disabled, call.actor)
        return load(call)
      },
    }),
  ),
]
