import { z } from 'zod'
import type { StoredEvent } from '../audit/audit.ts'
import { auditTypes } from '../audit/kinds.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { momentBefore, pageOf } from './page.ts'
import { momentOf, paging, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Audit events, as in docs/audit.md. */

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
    outcome: z.string().optional(),
    actor: z
      .strictObject({
        kind: z.string(),
        id: z.string().optional(),
        role: z.string().optional().describe('The role that permitted a change through this API'),
      })
      .optional(),
    request_id: z.string().optional(),
    position: z.number().optional(),
    seal: z.string().optional(),
    detail: z.record(z.string(), z.unknown()).optional(),
  }),
)

const representation = (found: StoredEvent) =>
  present({
    id: found.id,
    at: rfc3339(found.at),
    type: found.type,
    account_id: found.accountId,
    client_id: found.clientId,
    family_id: found.familyId,
    ip: found.ip,
    user_agent: found.userAgent,
    outcome: found.outcome,
    actor: found.actor && present(found.actor),
    request_id: found.requestId,
    position: found.position,
    seal: found.seal,
    detail: found.detail,
  })

export const auditRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/tenants/{tenant}/audit',
    permission: 'audit:read',
    summary: 'List audit events, newest first',
    query: z.strictObject({
      ...paging,
      type: z.enum(auditTypes).optional(),
      account_id: z.string().max(100).optional(),
      client_id: z.string().max(255).optional(),
      family_id: z.string().max(100).optional(),
      request_id: z.string().max(100).optional(),
      since: timestamp.optional(),
      until: timestamp.optional(),
    }),
    response: listOf(event),
    async handle(call) {
      const { query } = call
      const filter = {
        types: query.type && [query.type],
        accountId: query.account_id,
        clientId: query.client_id,
        familyId: query.family_id,
        requestId: query.request_id,
        since: momentOf(query.since),
        until: momentOf(query.until),
      }
      // One more than requested shows whether there is a next page.
      const page = { after: momentBefore(call), limit: query.limit + 1 }
      const { events } = await call.core.audit.listEvents(call.tenant, filter, page)
      return pageOf(call, events, representation, (each) => [each.at, each.id])
    },
  }),
]
