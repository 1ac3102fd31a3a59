import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { explanationOf } from '../refusals/explanation.ts'
import { printable } from '../refusals/mask.ts'
import type { Refusal } from '../refusals/refusal.ts'
import { reachesOf } from './caller.ts'
import { momentBefore, pageOf } from './page.ts'
import { type Call, momentOf, paging, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/**
 * Refused requests, each with its failed check. A caller has the id of a refusal and seldom knows the tenant. So the
 * path has no tenant; the result covers the tenants that the caller's roles reach.
 */

const denial = named(
  'Denial',
  z.strictObject({
    id: z
      .string()
      .describe(
        'The id in the header `Request-Id`, in `error_id`, on the error page, and in the log as `request_id`',
      ),
    tenant: z.string(),
    at: timestamp,
    endpoint: z.string(),
    error: z.string().describe('The error code that the caller received'),
    check: z.string().describe('The check that failed, as in docs/refusals.md'),
    rule: z.string().describe('What the check requires'),
    source: z.string().describe('Specification and section, or the page of the documentation'),
    mend: z.string().describe('How to fix it'),
    reason: z.string().optional(),
    expected: z.string().optional(),
    received: z.string().optional().describe('Of a secret, only its length'),
    client_id: z.string().optional(),
    account_id: z.string().optional(),
    ip: z.string().optional(),
  }),
)

const representation = (refusal: Refusal) =>
  present({
    ...explanationOf(refusal),
    account_id: refusal.accountId === undefined ? undefined : printable(refusal.accountId),
  })

/** The tenants that the caller may query; undefined for all. @throws DomainError `not_found` */
function tenantsOf({ caller }: Call, wanted?: string): readonly string[] | undefined {
  const reached = reachesOf(caller, 'denials:read')
  if (wanted === undefined) return reached
  if (!reached || reached.includes(wanted)) return [wanted]
  // An administrator of one tenant does not learn which others exist.
  throw new DomainError('not_found', { detail: { tenant: wanted } })
}

const query = z.strictObject({
  ...paging,
  tenant: z.string().max(100).optional(),
  client_id: z.string().max(255).optional(),
  account_id: z.string().max(100).optional(),
  check: z.string().max(100).optional().describe('The check that failed'),
  error: z.string().max(100).optional().describe('The error code that the caller received'),
  endpoint: z.string().max(100).optional(),
  since: timestamp.optional(),
  until: timestamp.optional(),
})

export const denialRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/denials',
    permission: 'denials:read',
    anywhere: true,
    summary: 'List refused requests of the last seven days, newest first',
    query,
    response: listOf(denial),
    async handle(call) {
      const { core, query: asked } = call
      const tenants = tenantsOf(call, asked.tenant)
      if (asked.tenant !== undefined && !(await core.tenants.view(asked.tenant))) {
        throw new DomainError('not_found', { detail: { tenant: asked.tenant } })
      }
      const found = await core.refusals.list(
        {
          tenants,
          clientId: asked.client_id,
          accountId: asked.account_id,
          check: asked.check,
          error: asked.error,
          endpoint: asked.endpoint,
          since: momentOf(asked.since),
          until: momentOf(asked.until),
        },
        { after: momentBefore(call), limit: asked.limit + 1 },
      )
      return pageOf(call, found, representation, (each) => [each.at, each.id])
    },
  }),
  route({
    method: 'GET',
    path: '/denials/{denial_id}',
    permission: 'denials:read',
    anywhere: true,
    summary: 'Explain a refused request by its id',
    response: denial,
    async handle(call) {
      const id = (call.params['denial_id'] ?? '').toLowerCase()
      const found = await call.core.refusals.find(id, tenantsOf(call))
      if (!found) throw new DomainError('not_found', { detail: { denial: id } })
      return representation(found)
    },
  }),
]
