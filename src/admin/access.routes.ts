import { z } from 'zod'
import { type FamilyView, stateOf } from '../families/family.ts'
import type { ListedGrant } from '../grants/grant.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import type { ListedSession } from '../sessions/session.ts'
import { assertCovers } from './caller.ts'
import { creationBefore, pageOf, textBefore } from './page.ts'
import { type Call, existing, paging, queryFlag, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** What people and devices were granted: sessions, consent, refresh-token families. */

const base = '/tenants/{tenant}'
const ofAccount = { account_id: z.string().max(100).optional() }
const ofClient = { client_id: z.string().max(255).optional() }
const presenter = { ip: z.string().optional(), user_agent: z.string().optional() }

const session = named(
  'Session',
  z.strictObject({
    id: z.string(),
    account_id: z.string(),
    clients: z.array(z.string()),
    signed_in_at: timestamp.optional(),
    last_used_at: timestamp,
    expires_at: timestamp,
    ...presenter,
  }),
)
const sessionOutput = (found: ListedSession) =>
  present({
    id: found.uid,
    account_id: found.accountId,
    clients: found.clientIds,
    signed_in_at: rfc3339(found.signedInAt),
    last_used_at: rfc3339(found.lastUsedAt),
    expires_at: rfc3339(found.expiresAt),
    ip: found.lastUsedFrom.ip,
    user_agent: found.lastUsedFrom.userAgent,
  })

const grant = named(
  'Grant',
  z.strictObject({
    id: z.string(),
    account_id: z.string(),
    client_id: z.string(),
    scopes: z.array(z.string()),
    created_at: timestamp,
    updated_at: timestamp,
  }),
)
const grantOutput = (found: ListedGrant) => ({
  id: found.id,
  account_id: found.accountId,
  client_id: found.clientId,
  scopes: found.scopes,
  created_at: rfc3339(found.createdAt),
  updated_at: rfc3339(found.updatedAt),
})

const family = named(
  'Family',
  z.strictObject({
    id: z.string(),
    account_id: z.string(),
    client_id: z.string(),
    device: z.string(),
    ...presenter,
    state: z.enum(['alive', 'idle_expired', 'expired', 'ended']),
    created_at: timestamp,
    last_used_at: timestamp,
    idle_expires_at: timestamp,
    expires_at: timestamp,
    ended_at: timestamp.optional(),
    ended_reason: z.string().optional(),
  }),
)
const familyOutput = (now: number) => (found: FamilyView) =>
  present({
    id: found.id,
    account_id: found.accountId,
    client_id: found.clientId,
    device: found.device,
    ip: found.allowedFrom.ip,
    user_agent: found.allowedFrom.userAgent,
    state: stateOf(found, now),
    created_at: rfc3339(found.createdAt),
    last_used_at: rfc3339(found.lastUsedAt),
    idle_expires_at: rfc3339(found.idleExpiresAt),
    expires_at: rfc3339(found.expiresAt),
    ended_at: rfc3339(found.endedAt),
    ended_reason: found.endedReason,
  })

const sessionOf = async (call: Call) => {
  const { core, tenant, params } = call
  const [one] = await core.sessions.page(tenant, { uid: params['session_id'] ?? '', limit: 1 })
  return existing(one, call)
}
const grantOf = async (call: Call) => {
  const { core, tenant, params } = call
  const [one] = await core.grants.list(tenant, { id: params['grant_id'] ?? '' })
  return existing(one, call)
}
const familyOf = async (call: Call) => {
  const { core, tenant, params } = call
  const [one] = await core.families.list(tenant, { id: params['family_id'] ?? '' })
  return existing(one, call)
}

const placeOf = ({ createdAt, id }: { createdAt: number; id: string }) => [createdAt, id]

export const accessRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${base}/sessions`,
    permission: 'sessions:read',
    summary: 'List sessions: the browsers in which a user is signed in',
    query: z.strictObject({ ...paging, ...ofAccount }),
    response: listOf(session),
    async handle(call) {
      const { limit, account_id: accountId } = call.query
      const which = { accountId, after: textBefore(call), limit: limit + 1 }
      const sessions = await call.core.sessions.page(call.tenant, which)
      return pageOf(call, sessions, sessionOutput, ({ uid }) => [uid])
    },
  }),
  route({
    method: 'GET',
    path: `${base}/sessions/{session_id}`,
    permission: 'sessions:read',
    summary: 'Read a session',
    response: session,
    handle: async (call) => sessionOutput(await sessionOf(call)),
  }),
  route({
    method: 'POST',
    path: `${base}/sessions/{session_id}/end`,
    permission: 'sessions:write',
    summary: 'End a session: sign out its browser and all clients in it',
    async handle(call) {
      const { uid, accountId } = await sessionOf(call)
      await assertCovers(call, { accountId })
      await call.core.revocations.endSession(call.tenant, uid, call.actor)
      return undefined
    },
  }),
  route({
    method: 'GET',
    path: `${base}/grants`,
    permission: 'grants:read',
    summary: 'List grants: what users have allowed clients',
    query: z.strictObject({ ...paging, ...ofAccount, ...ofClient }),
    response: listOf(grant),
    async handle(call) {
      const { limit, account_id: accountId, client_id: clientId } = call.query
      const page = { after: creationBefore(call), limit: limit + 1 }
      const grants = await call.core.grants.list(call.tenant, { accountId, clientId }, page)
      return pageOf(call, grants, grantOutput, placeOf)
    },
  }),
  route({
    method: 'GET',
    path: `${base}/grants/{grant_id}`,
    permission: 'grants:read',
    summary: 'Read a grant',
    response: grant,
    handle: async (call) => grantOutput(await grantOf(call)),
  }),
  route({
    method: 'POST',
    path: `${base}/grants/{grant_id}/revoke`,
    permission: 'grants:write',
    summary: 'Revoke a grant and its tokens',
    async handle(call) {
      const { accountId, clientId } = await grantOf(call)
      await assertCovers(call, { accountId })
      await call.core.revocations.revokeGrant(call.tenant, accountId, clientId, call.actor)
      return undefined
    },
  }),
  route({
    method: 'GET',
    path: `${base}/families`,
    permission: 'families:read',
    summary: 'List refresh-token families',
    query: z.strictObject({
      ...paging,
      ...ofAccount,
      ...ofClient,
      alive: queryFlag.optional().describe('true: only families that have not ended'),
    }),
    response: listOf(family),
    async handle(call) {
      const { core, tenant, query } = call
      const families = await core.families.list(tenant, {
        accountId: query.account_id,
        clientId: query.client_id,
        live: query.alive,
        after: creationBefore(call),
        limit: query.limit + 1,
      })
      return pageOf(call, families, familyOutput(core.clock.now()), placeOf)
    },
  }),
  route({
    method: 'GET',
    path: `${base}/families/{family_id}`,
    permission: 'families:read',
    summary: 'Read a family with its timeline',
    response: family.extend({
      steps: z.array(
        z.strictObject({
          token: z.string().describe('Part of the hash of the token'),
          parent: z.string().optional(),
          issued_at: timestamp,
          consumed_at: timestamp.optional(),
          ...presenter,
          replays: z.int(),
        }),
      ),
    }),
    async handle(call) {
      const { core, tenant } = call
      const one = await familyOf(call)
      const steps = await core.families.steps(tenant, one.id)
      return {
        ...familyOutput(core.clock.now())(one),
        steps: steps.map(({ token, parent, issuedAt, consumedAt, issuedTo, replays }) =>
          present({
            token,
            parent,
            issued_at: rfc3339(issuedAt),
            consumed_at: rfc3339(consumedAt),
            ip: issuedTo.ip,
            user_agent: issuedTo.userAgent,
            replays,
          }),
        ),
      }
    },
  }),
  route({
    method: 'POST',
    path: `${base}/families/{family_id}/revoke`,
    permission: 'families:write',
    summary: 'Revoke a family and its access tokens',
    response: family,
    async handle(call) {
      const { core, tenant } = call
      const { id, accountId, endedAt } = await familyOf(call)
      await assertCovers(call, { accountId })
      if (endedAt === undefined) await core.families.end(tenant, id, 'operator')
      return familyOutput(core.clock.now())(await familyOf(call))
    },
  }),
]
