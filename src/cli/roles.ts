import { z } from 'zod'
import { DomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import { type Assignment, adminRoles, everywhere, type Subject } from '../roles/role.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { findAccount } from './account-output.ts'
import { table } from './columns.ts'
import { type Command, optionalText, textOption, UsageError } from './command.ts'
import { emailsById } from './owners.ts'
import { assertTenant } from './tenant-option.ts'

/** A role as commands print it. */
interface RoleOutput {
  id: string
  account?: string
  client_id?: string
  role: string
  /** The id of a tenant, or `*`. */
  reach: string
}

const none = z.strictObject({})

/** Far more than any installation has. */
const most = 1000

async function output(core: Capabilities, assignments: Assignment[]): Promise<RoleOutput[]> {
  const owners = assignments.flatMap(({ subject }) => ('accountId' in subject ? [subject] : []))
  const emails = await emailsById(core, defaultTenant, owners)
  return assignments.map(({ id, subject, role, reach }) => ({
    id,
    ...('accountId' in subject
      ? { account: emails(subject.accountId) }
      : { client_id: subject.clientId }),
    role,
    reach,
  }))
}

/** `roles list`: `{ roles: [{ id, account or client_id, role, reach }] }`. */
export const rolesList: Command<z.infer<typeof none>, { roles: RoleOutput[] }> = {
  input: none,
  prepare: () => ({}),
  execute: async (core) => ({
    roles: await output(core, await core.roles.page(undefined, { limit: most })),
  }),
  render: ({ roles }) =>
    table(roles, 'There are no role assignments.', ({ id, account, client_id, role, reach }) => [
      id,
      account ?? client_id ?? '',
      role,
      reach === everywhere ? 'everywhere' : reach,
    ]),
}

const grantInput = z.strictObject({
  account: z.string().optional(),
  client: z.string().optional(),
  role: z.enum(adminRoles),
  reach: z.string(),
})

interface GrantOutput {
  granted: boolean
}

/** `roles grant`: `{ granted }`, false when it was so already. */
export const rolesGrant: Command<z.infer<typeof grantInput>, GrantOutput> = {
  input: grantInput,
  prepare(args) {
    const account = optionalText(args, 'account')
    const client = optionalText(args, 'client')
    if ((account === undefined) === (client === undefined)) {
      throw new UsageError('give either --account or --client')
    }
    return {
      ...present({ account, client }),
      role: grantInput.shape.role.parse(args.operands[0]),
      reach: textOption(args, 'in'),
    }
  },
  async execute(core, { account, client, role, reach }) {
    if (reach !== everywhere) await assertTenant(core, reach)
    const subject: Subject =
      account === undefined
        ? { clientId: client ?? '' }
        : {
            accountId: (await findAccount(core, { tenant: defaultTenant, identifier: account })).id,
          }
    const granted = await core.database.transaction(async () => {
      const assignment = await core.roles.grant(subject, role, reach)
      if (assignment) {
        await core.audit.record(defaultTenant, {
          type: 'admin.role_granted',
          ...subject,
          detail: { id: assignment.id, role, reach, by: 'operator' },
        })
      }
      return assignment !== undefined
    })
    return { granted }
  },
  render: ({ granted }) => (granted ? 'The role is granted.' : 'The role was already granted.'),
}

const revokeInput = z.strictObject({ id: z.string(), force: z.boolean().optional() })

/** `roles revoke`: `{ revoked }`. */
export const rolesRevoke: Command<z.infer<typeof revokeInput>, { revoked: string }> = {
  input: revokeInput,
  prepare: (args) => ({
    id: args.operands[0] ?? '',
    ...(args.options['force'] ? { force: true } : {}),
  }),
  async execute(core, { id, force }) {
    await core.database.transaction(async () => {
      const assignment = await core.roles.find(id)
      if (!assignment)
        throw new DomainError('role_not_found', { detail: `There is no role ${id}.` })
      await core.roles.revoke(id, force)
      await core.audit.record(defaultTenant, {
        type: 'admin.role_revoked',
        ...assignment.subject,
        detail: { id, role: assignment.role, reach: assignment.reach, by: 'operator' },
      })
    })
    return { revoked: id }
  },
  render: () => 'The role is revoked.',
}
