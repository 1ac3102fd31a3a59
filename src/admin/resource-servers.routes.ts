import { z } from 'zod'
import { invalidRequest } from '../http/checked.ts'
import type { ResourceServerView } from '../resources/resource-server.store.ts'
import { resourceServerDeclaration } from '../resources/resource-server.ts'
import { rfc3339 } from '../rfc3339.ts'
import { pageOf, textBefore } from './page.ts'
import { type Call, existing, paging, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Resource servers, without the built-in ones. */

const status = z.strictObject({ created_at: timestamp, updated_at: timestamp })
const resourceServer = named('ResourceServer', resourceServerDeclaration.extend({ status }))
const writable = named(
  'ResourceServerDeclaration',
  resourceServerDeclaration.extend({ status: z.unknown().optional().describe('Ignored') }),
)
type Written = z.output<typeof writable>

const collection = '/tenants/{tenant}/resource-servers'
/** The identifier is a URI, encoded by encodeURIComponent in the path. */
const item = `${collection}/{identifier}`

const representation = ({ createdAt, updatedAt, ...server }: ResourceServerView) => ({
  ...server,
  status: { created_at: rfc3339(createdAt), updated_at: rfc3339(updatedAt) },
})

async function load({ core, tenant, params }: Call, lock = false) {
  const { identifier = '' } = params
  const [found] = await core.resources.page(tenant, { identifier, limit: 1, lock })
  return found && representation(found)
}

const loaded = async (call: Call) => existing(await load(call), call)

const withoutStatus = ({ status: _status, ...declaration }: Written) => declaration

export const resourceServerRoutes: Route[] = [
  route({
    method: 'GET',
    path: collection,
    permission: 'resource_servers:read',
    summary: 'List resource servers',
    query: z.strictObject(paging),
    response: listOf(resourceServer),
    async handle(call) {
      const servers = await call.core.resources.page(call.tenant, {
        after: textBefore(call),
        limit: call.query.limit + 1,
      })
      return pageOf(call, servers, representation, ({ identifier }) => [identifier])
    },
  }),
  route({
    method: 'POST',
    path: collection,
    permission: 'resource_servers:write',
    summary: 'Create a resource server',
    body: writable,
    status: 201,
    response: resourceServer,
    async handle(call) {
      const { core, tenant, body } = call
      await core.resources.declare(tenant, withoutStatus(body), 'new')
      return loaded({ ...call, params: { identifier: body.identifier } })
    },
  }),
  route({
    method: 'GET',
    path: item,
    permission: 'resource_servers:read',
    summary: 'Read a resource server',
    response: resourceServer,
    current: load,
    handle: loaded,
  }),
  route<undefined, Written>({
    method: 'PUT',
    path: item,
    permission: 'resource_servers:write',
    summary: 'Replace the declaration of a resource server; omitted members get their defaults',
    body: writable,
    response: resourceServer,
    current: load,
    async handle(call) {
      const { core, tenant, body, params } = call
      if (body.identifier !== params['identifier']) {
        throw invalidRequest(`identifier: expected ${params['identifier']}, as in the URL`)
      }
      await core.resources.declare(tenant, withoutStatus(body))
      return loaded(call)
    },
  }),
  route({
    method: 'DELETE',
    path: item,
    permission: 'resource_servers:write',
    summary: 'Delete a resource server; no more tokens are issued for it',
    current: load,
    async handle({ core, tenant, params }) {
      await core.resources.delete(tenant, params['identifier'] ?? '')
      return undefined
    },
  }),
]
