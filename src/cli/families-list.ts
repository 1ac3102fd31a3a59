import { z } from 'zod'
import { present } from '../present.ts'
import { findOwner } from './account-output.ts'
import { table } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { type FamilyOutput, familyOutput } from './family-output.ts'
import { emailsById } from './owners.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  account: z.string().optional(),
  client: z.string().optional(),
  all: z.boolean(),
  after: z.strictObject({ createdAt: z.number(), id: z.string() }).optional(),
})

/** `families list`: `{ families: [{ id, account, client_id, device, state, …, ended_at?, ended_reason? }] }`. */
export const familiesList: Command<
  z.infer<typeof input>,
  { families: FamilyOutput[]; next?: { createdAt: number; id: string } }
> = {
  input,
  list: 'families',
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ account: optionalText(args, 'account'), client: optionalText(args, 'client') }),
    all: args.options['all'] === true,
  }),
  async execute(core, { tenant, account: identifier, client: clientId, all, after }) {
    await assertTenant(core, tenant)
    const owner = await findOwner(core, { tenant, identifier })
    const filter = { accountId: owner?.id, clientId, live: !all }
    const page = await core.families.list(tenant, { ...filter, after, limit: pageLimit })
    const { shown: found, ...next } = pageIn(page, ({ createdAt, id }) => ({ createdAt, id }))
    const emails = await emailsById(core, tenant, found)
    const now = core.clock.now()
    return {
      ...next,
      families: found.map((family) => familyOutput(family, emails(family.accountId), now)),
    }
  },
  render: ({ families }) =>
    table(families, 'There are no families.', (family) => [
      family.id,
      family.account,
      family.client_id,
      family.device,
      family.last_used_at,
      family.ended_reason ?? family.state,
    ]),
}
