import { z } from 'zod'
import { accountDeclaration } from '../accounts/account-document.ts'
import type { Listed } from '../actions/enrolment-tokens.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { table } from './columns.ts'
import { type Command, optionalText, textOption } from './command.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

/** An invitation as commands print it. */
interface InvitationOutput {
  email: string
  name?: string
  created_at: string
  expires_at: string
  expired: boolean
}

function invitationOutput(invitation: Listed, now: number): InvitationOutput {
  const { email, name, createdAt, expiresAt } = invitation
  return {
    email,
    ...present({ name }),
    created_at: rfc3339(createdAt),
    expires_at: rfc3339(expiresAt),
    expired: expiresAt <= now,
  }
}

const wanted = z.strictObject({
  ...ofTenant,
  ...accountDeclaration.pick({ email: true, name: true }).shape,
  language: z.enum(['en', 'de']).optional(),
})

/** `invitations create`: `{ invitation }`. */
export const invitationsCreate: Command<
  z.infer<typeof wanted>,
  { invitation: InvitationOutput }
> = {
  input: wanted,
  prepare: (args) => ({
    ...tenantOption(args),
    email: textOption(args, 'email').trim(),
    ...present({
      name: optionalText(args, 'name'),
      language: optionalText(args, 'language') as 'en' | 'de' | undefined,
    }),
  }),
  async execute(core, { tenant, email, name, language = core.config.language }) {
    await assertTenant(core, tenant)
    const created = await core.invitations.create(tenant, { email, name, language })
    return { invitation: invitationOutput(created, core.clock.now()) }
  },
  render: ({ invitation: { email, expires_at } }) =>
    `Invited ${email}; the link in the mail works once, until ${expires_at}. Earlier links are no longer valid.`,
}

const listed = z.strictObject({ ...ofTenant, after: z.string().optional() })

/** `invitations list`: `{ invitations: [{ email, name?, created_at, expires_at, expired }] }`. */
export const invitationsList: Command<
  z.infer<typeof listed>,
  { invitations: InvitationOutput[]; next?: string }
> = {
  input: listed,
  list: 'invitations',
  prepare: tenantOption,
  async execute(core, { tenant, after }) {
    await assertTenant(core, tenant)
    const found = await core.invitations.page(tenant, { after, limit: pageLimit })
    const { shown, ...next } = pageIn(found, ({ email }) => email)
    const now = core.clock.now()
    return { invitations: shown.map((one) => invitationOutput(one, now)), ...next }
  },
  render: ({ invitations }) =>
    table(
      invitations,
      'There are no open invitations.',
      ({ email, name = '', expires_at, expired }) => [
        email,
        name,
        `${expired ? 'expired' : 'until'} ${expires_at}`,
      ],
    ),
}

const input = z.strictObject({ ...ofTenant, email: z.string() })

/** `invitations revoke`: `{ email, changed }`. */
export const invitationsRevoke: Command<
  z.infer<typeof input>,
  { email: string; changed: boolean }
> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), email: args.operands[0] ?? '' }),
  async execute(core, { tenant, email }) {
    await assertTenant(core, tenant)
    return { email, changed: await core.invitations.revoke(tenant, email) }
  },
  render: ({ email, changed }) =>
    changed
      ? `The link of ${email} is no longer valid.`
      : `${email} was not invited, or has already accepted.`,
}
