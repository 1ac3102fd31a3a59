import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import type { TokenPlace } from '../registration/tokens.store.ts'
import { rfc3339 } from '../rfc3339.ts'
import { table } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const created = z.strictObject({
  ...ofTenant,
  name: z.string().min(1).max(200).optional(),
  uses: z.int(),
  ttl: z.int(),
})

interface CreateOutput {
  id: string
  token: string
  uses: number
}

/** `registration tokens create`: `{ id, token, uses }`; the token is stored as its hash. */
export const registrationTokensCreate: Command<z.infer<typeof created>, CreateOutput> = {
  input: created,
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ name: optionalText(args, 'name') }),
    uses: Number(args.options['uses']),
    ttl: Number(args.options['ttl']),
  }),
  async execute(core, { tenant, ...options }) {
    await assertTenant(core, tenant)
    const { id, token } = await core.registrations.initialTokens.create(tenant, options)
    return { id, token, uses: options.uses }
  },
  render: ({ id, token, uses }) =>
    [
      `Initial access token: ${token}`,
      `It registers ${uses} ${uses === 1 ? 'client' : 'clients'}, is shown once, and is revoked by its id ${id}.`,
    ].join('\n'),
}

const listed = z.strictObject({
  ...ofTenant,
  after: z.strictObject({ createdAt: z.number(), id: z.string() }).optional(),
})

interface ListOutput {
  next?: TokenPlace
  tokens: Array<{
    id: string
    name?: string
    uses_left: number
    created_at: string
    expires_at?: string
  }>
}

/** `registration tokens list`: `{ tokens: [{ id, name?, uses_left, created_at, expires_at? }] }`. */
export const registrationTokensList: Command<z.infer<typeof listed>, ListOutput> = {
  input: listed,
  list: 'tokens',
  prepare: tenantOption,
  async execute(core, { tenant, after }) {
    await assertTenant(core, tenant)
    const found = await core.registrations.initialTokens.page(tenant, { after, limit: pageLimit })
    const { shown, ...next } = pageIn(found, ({ createdAt, id }) => ({ createdAt, id }))
    return {
      ...next,
      tokens: shown.map(({ id, name, usesLeft, createdAt, expiresAt }) => ({
        id,
        ...present({ name }),
        uses_left: usesLeft,
        created_at: rfc3339(createdAt),
        ...present({ expires_at: rfc3339(expiresAt) }),
      })),
    }
  },
  render: ({ tokens }) =>
    table(tokens, 'There are no initial access tokens.', (token) => [
      token.id,
      token.name ?? '',
      `${token.uses_left} left`,
      token.expires_at === undefined ? '' : `until ${token.expires_at}`,
    ]),
}

const revoked = z.strictObject({ ...ofTenant, id: z.string() })

/** `registration tokens revoke`: `{ id }`; clients that were registered with it stay. */
export const registrationTokensRevoke: Command<z.infer<typeof revoked>, { id: string }> = {
  input: revoked,
  prepare: (args) => ({ ...tenantOption(args), id: args.operands[0] ?? '' }),
  async execute(core, { tenant, id }) {
    await assertTenant(core, tenant)
    if (await core.registrations.initialTokens.revoke(tenant, id)) return { id }
    throw new DomainError('not_found', {
      detail: `There is no initial access token ${JSON.stringify(id)}; "registration tokens list" has their ids.`,
    })
  },
  render: ({ id }) => `Initial access token ${id} is revoked; clients registered with it remain.`,
}
