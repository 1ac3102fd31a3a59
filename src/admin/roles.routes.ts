import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { invalidRequest } from '../http/checked.ts'
import { rfc3339 } from '../rfc3339.ts'
import {
  type Assignment,
  adminRoles,
  covers,
  everywhere,
  mayDo,
  type Subject,
} from '../roles/role.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { assertScopesOf, reachesOf } from './caller.ts'
import { pageOf, textBefore } from './page.ts'
import { type Call, existing, paging, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Role assignments. Nobody may grant or revoke more than they have. */

const subject = { account_id: z.string().optional(), client_id: z.string().optional() }
const reach = z.string().describe('A tenant, or * for all tenants')

const assignment = named(
  'RoleAssignment',
  z.strictObject({
    id: z.string(),
    ...subject,
    role: z.enum(adminRoles),
    reach,
    created_at: timestamp,
  }),
)
const writable = z
  .strictObject({ ...subject, role: z.enum(adminRoles), reach })
  .refine((given) => (given.account_id === undefined) !== (given.client_id === undefined), {
    error: 'must have either account_id or client_id, of the default tenant',
  })

const representation = ({ id, subject: who, role, reach: where, createdAt }: Assignment) => ({
  id,
  ...('accountId' in who ? { account_id: who.accountId } : { client_id: who.clientId }),
  role,
  reach: where,
  created_at: rfc3339(createdAt),
})

async function load({ core, caller, params }: Call) {
  const found = await core.roles.find(params['role_id'] ?? '')
  return found && mayDo(caller.roles, 'roles:read', found.reach) ? representation(found) : undefined
}

/** Checks that the caller may assign roles in this reach, and that the role does not exceed the caller's. */
function assertWithin({ caller }: Call, given: Pick<Assignment, 'role' | 'reach'>): void {
  if (mayDo(caller.roles, 'roles:write', given.reach) && covers(caller.roles, [given])) return
  throw new DomainError('permission_denied', {
    detail: { expected: 'a role that the caller has, in the same reach', given },
  })
}

function record({ core, caller }: Call, type: 'granted' | 'revoked', of: Assignment) {
  const { id, role, reach: where } = of
  return core.audit.record(defaultTenant, {
    type: `admin.role_${type}`,
    ...of.subject,
    detail: { id, role, reach: where, by: { ...caller.subject, through: caller.clientId } },
  })
}

export const roleRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/roles',
    permission: 'roles:read',
    anywhere: true,
    summary: 'List the role assignments that the caller may read',
    query: z.strictObject(paging),
    response: listOf(assignment),
    async handle(call) {
      const found = await call.core.roles.page(textBefore(call), {
        reaches: reachesOf(call.caller, 'roles:read'),
        limit: call.query.limit + 1,
      })
      return pageOf(call, found, representation, ({ id }) => [id])
    },
  }),
  route({
    method: 'POST',
    path: '/roles',
    permission: 'roles:write',
    anywhere: true,
    summary: 'Grant a role to an account or a client of the default tenant',
    body: writable,
    status: 201,
    response: assignment,
    async handle(call) {
      const { core, body } = call
      assertWithin(call, body)
      assertScopesOf(call.caller, [body])
      if (body.reach !== everywhere && !(await core.tenants.view(body.reach))) {
        throw invalidRequest(`reach: expected * or a tenant, got "${body.reach}"`)
      }
      const who: Subject =
        body.account_id === undefined
          ? { clientId: body.client_id ?? '' }
          : { accountId: body.account_id }
      const granted = await core.roles.grant(who, body.role, body.reach)
      if (!granted) throw new DomainError('already_exists', { detail: { ...body } })
      await record(call, 'granted', granted)
      return representation(granted)
    },
  }),
  route({
    method: 'GET',
    path: '/roles/{role_id}',
    permission: 'roles:read',
    anywhere: true,
    summary: 'Read a role assignment',
    response: assignment,
    current: load,
    handle: async (call) => existing(await load(call), call, 'role_not_found'),
  }),
  route({
    method: 'DELETE',
    path: '/roles/{role_id}',
    permission: 'roles:write',
    anywhere: true,
    summary: 'Revoke a role; this applies from the next request on',
    current: load,
    async handle(call) {
      const { core, params } = call
      const found = existing(await core.roles.find(params['role_id'] ?? ''), call, 'role_not_found')
      assertWithin(call, found)
      await core.roles.revoke(found.id)
      await record(call, 'revoked', found)
      return undefined
    },
  }),
]
