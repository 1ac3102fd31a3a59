import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { longestTtl, mostUses } from '../registration/initial-tokens.ts'
import { registrationPolicy } from '../registration/policy.ts'
import type { InitialAccessToken } from '../registration/tokens.store.ts'
import { rfc3339 } from '../rfc3339.ts'
import { creationBefore, pageOf } from './page.ts'
import { type Call, existing, paging, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Self-registration of clients (RFC 7591): the policy of a tenant, and initial access tokens. */

const policy = named('RegistrationPolicy', registrationPolicy)
const policyPath = '/tenants/{tenant}/registration-policy'

/** @param lock until the transaction ends, against other writes through this API */
async function loadPolicy({ core, tenant }: Call, lock = false) {
  if (lock) await core.tenants.view(tenant, true)
  return core.registrationPolicies.read(tenant)
}

const members = {
  id: z.string().describe('Identifies the token; it is not the token itself'),
  name: z.string().optional(),
  uses_left: z.int(),
  created_at: timestamp,
  expires_at: timestamp.optional(),
}
const token = named('InitialAccessToken', z.strictObject(members))
const withSecret = z.strictObject({
  ...members,
  initial_access_token: z
    .string()
    .describe('Returned only once; the bearer token for registration requests'),
})
const wanted = z.strictObject({
  name: z.string().min(1).max(200).optional().describe('A label, such as who gets the token'),
  uses: z.int().min(1).max(mostUses).default(1).describe('How many clients can register with it'),
  ttl: z.int().min(1).max(longestTtl).default(86_400).describe('Lifetime in seconds'),
})
const tokens = '/tenants/{tenant}/initial-access-tokens'
const tokenPath = `${tokens}/{token_id}`

const representation = ({ id, name, usesLeft, createdAt, expiresAt }: InitialAccessToken) =>
  present({
    id,
    name,
    uses_left: usesLeft,
    created_at: rfc3339(createdAt),
    expires_at: rfc3339(expiresAt),
  })

async function loadToken({ core, tenant, params }: Call) {
  const found = await core.registrations.initialTokens.find(tenant, params['token_id'] ?? '')
  return found && representation(found)
}

const loadedToken = async (call: Call) => existing(await loadToken(call), call)

export const registrationRoutes: Route[] = [
  route({
    method: 'GET',
    path: policyPath,
    permission: 'registration:read',
    summary: 'Read the registration policy: who may register clients, and with which metadata',
    response: policy,
    current: loadPolicy,
    handle: (call) => loadPolicy(call),
  }),
  route<undefined, z.output<typeof policy>>({
    method: 'PUT',
    path: policyPath,
    permission: 'registration:write',
    summary: 'Replace the registration policy; omitted members get their defaults',
    body: policy,
    response: policy,
    current: loadPolicy,
    async handle(call) {
      await call.core.registrationPolicies.declare(call.tenant, call.body)
      return loadPolicy(call)
    },
  }),
  route({
    method: 'GET',
    path: tokens,
    permission: 'registration:read',
    summary: 'List valid initial access tokens',
    query: z.strictObject(paging),
    response: listOf(token),
    async handle(call) {
      const page = { after: creationBefore(call), limit: call.query.limit + 1 }
      const found = await call.core.registrations.initialTokens.page(call.tenant, page)
      return pageOf(call, found, representation, (last) => [last.createdAt, last.id])
    },
  }),
  route<undefined, z.output<typeof wanted>>({
    method: 'POST',
    path: tokens,
    permission: 'registration:write',
    summary: 'Create an initial access token, with which clients can register',
    body: wanted,
    status: 201,
    response: withSecret,
    async handle(call) {
      const made = await call.core.registrations.initialTokens.create(call.tenant, call.body)
      const params = { token_id: made.id }
      return { ...(await loadedToken({ ...call, params })), initial_access_token: made.token }
    },
  }),
  route({
    method: 'GET',
    path: tokenPath,
    permission: 'registration:read',
    summary: 'Read an initial access token, without its value',
    response: token,
    current: loadToken,
    handle: loadedToken,
  }),
  route({
    method: 'DELETE',
    path: tokenPath,
    permission: 'registration:write',
    summary: 'Revoke an initial access token; clients that registered with it remain',
    current: loadToken,
    async handle(call) {
      const id = call.params['token_id'] ?? ''
      if (await call.core.registrations.initialTokens.revoke(call.tenant, id)) return undefined
      throw new DomainError('not_found', { detail: { ...call.params } })
    },
  }),
]
