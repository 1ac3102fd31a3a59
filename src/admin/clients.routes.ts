import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type ClientMetadata, clientMembers, declarationRules } from '../clients/client.ts'
import type { ClientView } from '../clients/client-views.ts'
import type { SectorDocuments } from '../clients/sector-documents.ts'
import { DomainError } from '../errors.ts'
import { invalidRequest } from '../http/checked.ts'
import { scopeSet } from '../oidc/scopes.ts'
import { present } from '../present.ts'
import { adminResource } from '../resources/admin-resource.ts'
import { assertNamesKnown } from '../resources/known-names.ts'
import { rfc3339 } from '../rfc3339.ts'
import { everywhere, mayDo, permissions, scopeOf } from '../roles/role.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { assertCovers, assertScopesFor, assertScopesOf } from './caller.ts'
import { pageOf, textBefore } from './page.ts'
import { type Call, existing, paging, queryFlag, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Clients as `apply` declares them; `status` has what the server adds. */

const status = z.strictObject({
  disabled: z.boolean(),
  secrets: z
    .array(z.strictObject({ created_at: timestamp, expires_at: timestamp.optional() }))
    .describe('Secrets that have not expired, newest first'),
  created_at: timestamp,
  updated_at: timestamp,
})

/** A read representation can be sent back: `status` is ignored. */
const writable = named(
  'ClientDeclaration',
  clientMembers
    .extend({
      client_id: clientMembers.shape.client_id.optional(),
      client_secret: z
        .string()
        .optional()
        .describe(
          'An existing secret to import; without it, one is generated if the client needs it',
        ),
      status: z.unknown().optional().describe('Ignored'),
    })
    .superRefine((given, context) => declarationRules(given as ClientMetadata, context)),
)
const client = named('Client', clientMembers.extend({ status }))
const withSecret = clientMembers.extend({
  client_secret: z
    .string()
    .optional()
    .describe('The secret, if one was generated; returned only once'),
  status,
})

const apiScopes: ReadonlySet<string> = new Set(permissions.map(scopeOf))

const collection = '/tenants/{tenant}/clients'
const item = `${collection}/{client_id}`

function representation({
  clientId,
  metadata,
  disabled,
  secrets,
  ...times
}: ClientView): Record<string, unknown> {
  return {
    ...metadata,
    client_id: clientId,
    status: {
      disabled,
      secrets: secrets.map(({ createdAt, expiresAt }) => ({
        created_at: rfc3339(createdAt),
        expires_at: rfc3339(expiresAt),
      })),
      created_at: rfc3339(times.createdAt),
      updated_at: rfc3339(times.updatedAt),
    },
  }
}

async function load(call: Call, lock = false) {
  const { core, tenant, params } = call
  const { client_id: id = '' } = params
  const view = await core.clients.views.view(tenant, id, core.clock.now(), lock)
  return view && representation(view)
}

const loaded = async (call: Call) => existing(await load(call), call, 'client_not_found')

type Version = { resources?: unknown; scope?: unknown } | undefined

/** Whether a client may act for people at this API: their tokens may be an owner's (confused deputy). */
function isDeputy({ core }: Call, versions: Version[]): boolean {
  const { identifier } = adminResource(core.config.issuer)
  return versions.some(
    (version) => Array.isArray(version?.resources) && version.resources.includes(identifier),
  )
}

const hasApiScope = (versions: Version[]) =>
  versions.some((version) => [...scopeSet(version?.scope)].some((name) => apiScopes.has(name)))

function assertOwner({ caller }: Call, clientId: string): void {
  if (mayDo(caller.roles, 'roles:write', everywhere)) return
  throw new DomainError('subject_protected', {
    detail: {
      client_id: clientId,
      expected: 'an owner, as the client gets tokens for the admin API',
    },
  })
}

/**
 * Checks whether the caller may change a client: not one with roles beyond the caller's, and one that acts for people
 * at this API only as an owner.
 */
async function assertMayChange(
  call: Call,
  clientId: string,
  ...versions: Version[]
): Promise<void> {
  if (call.tenant !== defaultTenant) return
  await assertCovers(call, { clientId })
  if (isDeputy(call, versions)) assertOwner(call, clientId)
}

/**
 * The same where the caller could afterwards act as the client, or as users who sign in there. Only owners may change a
 * client that gets tokens for this API, as its scope is a limit set by them; and the caller's token needs the scopes of
 * all that the client could do.
 */
async function assertMaySteer(call: Call, clientId: string, ...versions: Version[]): Promise<void> {
  if (call.tenant !== defaultTenant) return
  await assertMayChange(call, clientId, ...versions)
  if (hasApiScope(versions)) assertOwner(call, clientId)
  await assertScopesFor(call, { clientId })
  if (isDeputy(call, versions)) assertScopesOf(call.caller, [{ role: 'owner' }])
}

const query = z.strictObject({
  ...paging,
  q: z.string().min(1).max(200).optional().describe('Part of client_id or client_name'),
  grant_type: z.string().max(200).optional(),
  disabled: queryFlag.optional(),
})

type Written = z.output<typeof writable>

/** The declaration without the members that only answers have. */
function declarationOf({ status: _status, ...declaration }: Written, clientId: string) {
  return { ...declaration, client_id: clientId } as ClientMetadata & { client_secret?: string }
}

const prepare = (call: Call<undefined, Written>) =>
  call.core.clients.prepare([
    {
      tenant: call.tenant,
      declaration: declarationOf(call.body, call.params['client_id'] ?? call.body.client_id ?? ''),
    },
  ])

export const clientRoutes: Route[] = [
  route({
    method: 'GET',
    path: collection,
    permission: 'clients:read',
    summary: 'List clients',
    query,
    response: listOf(client),
    async handle(call) {
      const { core, tenant, query: asked } = call
      const { rows, stoppedAt } = await core.clients.views.page(
        tenant,
        { text: asked.q, grantType: asked.grant_type, disabled: asked.disabled },
        { at: core.clock.now(), after: textBefore(call), limit: asked.limit + 1 },
      )
      return pageOf(call, rows, representation, ({ clientId }) => [clientId], stoppedAt)
    },
  }),
  route<undefined, Written, SectorDocuments>({
    method: 'POST',
    path: collection,
    permission: 'clients:write',
    summary: 'Create a client',
    body: writable,
    status: 201,
    response: withSecret,
    prepare,
    async handle(call, documents) {
      const { core, tenant, body } = call
      const clientId = body.client_id ?? randomUUID()
      await assertMaySteer(call, clientId, body)
      await assertNamesKnown(core, tenant, { ...body, client_id: clientId })
      const declared = await core.clients.declare(
        tenant,
        declarationOf(body, clientId),
        documents,
        'new',
      )
      return {
        ...(await loaded({ ...call, params: { client_id: clientId } })),
        ...present({ client_secret: declared.clientSecret }),
      }
    },
  }),
  route({
    method: 'GET',
    path: item,
    permission: 'clients:read',
    summary: 'Read a client',
    response: client,
    current: load,
    handle: loaded,
  }),
  route<undefined, Written, SectorDocuments>({
    method: 'PUT',
    path: item,
    permission: 'clients:write',
    summary: 'Replace the declaration of a client; omitted members get their defaults',
    body: writable,
    response: withSecret,
    current: load,
    prepare,
    async handle(call, documents) {
      const { core, tenant, body, params } = call
      const { client_id: clientId = '' } = params
      if (body.client_id !== undefined && body.client_id !== clientId) {
        throw invalidRequest(`client_id: expected ${clientId}, as in the URL`)
      }
      await assertMaySteer(call, clientId, body, call.current)
      await assertNamesKnown(core, tenant, { ...body, client_id: clientId }, call.current)
      const { clientSecret } = await core.clients.declare(
        tenant,
        declarationOf(body, clientId),
        documents,
      )
      return {
        ...(await loaded(call)),
        ...present({ client_secret: clientSecret }),
      }
    },
  }),
  route({
    method: 'DELETE',
    path: item,
    permission: 'clients:write',
    summary: 'Delete a client with all its grants and tokens',
    current: load,
    ownTransactions: true,
    async handle(call) {
      const { core, tenant, params } = call
      const { client_id: clientId = '' } = params
      await core.database.transaction(async () => {
        await assertMayChange(call, clientId, call.current)
        if (tenant === defaultTenant) await core.roles.assertNotLastOwner({ clientId })
        await core.clients.setDisabled(tenant, clientId, true)
      })
      await core.revocations.deleteClient(tenant, clientId, call.actor)
      return undefined
    },
  }),
  ...(['disable', 'enable'] as const).map((verb) =>
    route({
      method: 'POST',
      path: `${item}/${verb}`,
      permission: 'clients:write',
      summary:
        verb === 'disable' ? 'Disable a client and revoke its tokens' : 'Enable a disabled client',
      response: client,
      ownTransactions: true,
      async handle(call) {
        const { core, tenant, params } = call
        const { client_id: clientId = '' } = params
        const disabled = verb === 'disable'
        await assertMayChange(call, clientId, await loaded(call))
        await core.revocations.setClientDisabled(tenant, clientId, disabled, call.actor)
        return loaded(call)
      },
    }),
  ),
  route({
    method: 'POST',
    path: `${item}/secrets`,
    permission: 'clients:write',
    summary: 'Add a new secret to a client; the old ones stay valid for `overlap` seconds',
    body: z.strictObject({
      overlap: z
        .int()
        .min(0)
        .max(7_776_000)
        .default(86_400)
        .describe('Seconds that the old secrets stay valid'),
    }),
    status: 201,
    response: z.strictObject({
      client_id: z.string(),
      client_secret: z.string().describe('Returned only once'),
      old_secrets_expire_at: timestamp,
    }),
    async handle(call) {
      const { core, tenant, params, body } = call
      const { client_id: clientId = '' } = params
      await assertMaySteer(call, clientId, await loaded(call))
      const ends = core.clock.now() + body.overlap * 1000
      const secret = await core.clients.rotateSecret(tenant, clientId, body.overlap)
      return {
        client_id: clientId,
        client_secret: secret,
        old_secrets_expire_at: rfc3339(ends),
      }
    },
  }),
]
