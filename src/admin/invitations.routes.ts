import { z } from 'zod'
import { accountProfile } from '../accounts/account-document.ts'
import type { Listed } from '../actions/enrolment-tokens.ts'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { pageOf, textBefore } from './page.ts'
import { type Call, existing, paging, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Invitations to create an account. The link is only in the mail. */

const invitation = named(
  'Invitation',
  z.strictObject({
    id: z.string(),
    email: z.string(),
    name: z.string().optional(),
    created_at: timestamp,
    expires_at: timestamp,
  }),
)
const wanted = z.strictObject({
  email: accountProfile.shape.email,
  name: accountProfile.shape.name,
  language: z.enum(['en', 'de']).optional().describe('Language of the mail'),
})
const collection = '/tenants/{tenant}/invitations'
const item = `${collection}/{invitation_id}`

const representation = ({ id, email, name, createdAt, expiresAt }: Listed) =>
  present({
    id,
    email,
    name,
    created_at: rfc3339(createdAt),
    expires_at: rfc3339(expiresAt),
  })

const find = ({ core, tenant, params }: Call) =>
  core.invitations.find(tenant, params['invitation_id'] ?? '')

async function load(call: Call) {
  const found = await find(call)
  return found && representation(found)
}

export const invitationRoutes: Route[] = [
  route({
    method: 'GET',
    path: collection,
    permission: 'invitations:read',
    summary: 'List pending and recently expired invitations',
    query: z.strictObject(paging),
    response: listOf(invitation),
    async handle(call) {
      const page = { after: textBefore(call), limit: call.query.limit + 1 }
      const found = await call.core.invitations.page(call.tenant, page)
      return pageOf(call, found, representation, ({ email }) => [email])
    },
  }),
  route<undefined, z.output<typeof wanted>>({
    method: 'POST',
    path: collection,
    permission: 'invitations:write',
    summary: 'Invite a user by mail; an earlier link to the same address becomes invalid',
    body: wanted,
    status: 201,
    response: invitation,
    async handle({ core, tenant, body }) {
      const { email, name, language = core.config.language } = body
      return representation(await core.invitations.create(tenant, { email, name, language }))
    },
  }),
  route({
    method: 'GET',
    path: item,
    permission: 'invitations:read',
    summary: 'Read an invitation',
    response: invitation,
    current: load,
    handle: async (call) => existing(await load(call), call),
  }),
  route({
    method: 'DELETE',
    path: item,
    permission: 'invitations:write',
    summary: 'Revoke an invitation; its link becomes invalid',
    current: load,
    async handle(call) {
      const { email, id } = existing(await find(call), call)
      // A later invitation to the same address is another one and stays.
      if (await call.core.invitations.revoke(call.tenant, email, id)) return undefined
      throw new DomainError('not_found', { detail: { ...call.params } })
    },
  }),
]
