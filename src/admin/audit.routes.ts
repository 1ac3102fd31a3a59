import { z } from 'zod'
import type { AuditEvent, AuditPlace } from '../audit/audit.ts'
import { pageOf, pagePlace } from './page.ts'
import { paging, present, type Route, route, timeOf, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** What happened, as docs/audit.md tells it. */

const event = named(
  'AuditEvent',
  z.strictObject({
    id: z.string(),
    at: timestamp,
    type: z.string(),
    account_id: z.string().optional(),
    client_id: z.string().optional(),
    family_id: z.string().optional(),
    ip: z.string().optional(),
    user_agent: z.string().optional(),
    detail: z.record(z.string(), z.unknown()).optional(),
  }),
)

const representation = (found: AuditEvent & AuditPlace) =>
  present({
    id: found.id,
    at: timeOf(found.at),
    type: found.type,
    account_id: found.accountId,
    client_id: found.clientId,
    family_id: found.familyId,
    ip: found.ip,
    user_agent: found.userAgent,
    detail: found.detail,
  })

export const auditRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/tenants/{tenant}/audit',
    permission: 'audit:read',
    summary: 'List events, the newest first',
    query: z.strictObject({
      ...paging,
      type: z.string().max(100).optional(),
      account_id: z.string().max(100).optional(),
      client_id: z.string().max(255).optional(),
      family_id: z.string().max(100).optional(),
    }),
    response: listOf(event),
    async handle(call) {
      const { query } = call
      const [at, id] = pagePlace(call) as [number, string] | []
      const events = await call.core.audit.page(call.tenant, {
        type: query.type,
        accountId: query.account_id,
        clientId: query.client_id,
        familyId: query.family_id,
        before: at === undefined || id === undefined ? undefined : { at, id },
        limit: query.limit + 1,
      })
      return pageOf(call, events, representation, (each) => [each.at, each.id])
    },
  }),
]
