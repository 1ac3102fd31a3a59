import { z } from 'zod'
import { DomainError } from '../errors.ts'
import type { FamilyView } from '../families/family.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import {
  type FamilyOutput,
  familyOutput,
  inWords,
  type StepOutput,
  sentenceOn,
  stepOutput,
} from './family-output.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, id: z.string() })

interface EventOutput {
  at: string
  type: string
  ip?: string
  detail?: Record<string, unknown>
}

interface Output {
  family: FamilyOutput
  steps: StepOutput[]
  events: EventOutput[]
}

/** @throws DomainError `not_found` */
export async function findFamily(
  core: Capabilities,
  { tenant, id }: { tenant: string; id: string },
): Promise<FamilyView> {
  await assertTenant(core, tenant)
  const [family] = await core.families.list(tenant, { id })
  if (family) return family
  throw new DomainError('not_found', {
    detail: `There is no family ${JSON.stringify(id)} in tenant ${tenant}.`,
  })
}

/** The owner's e-mail address, or the account's id when it was deleted. */
export async function ownerOf(core: Capabilities, family: FamilyView): Promise<string> {
  const account = await core.accounts.active(family.tenant, family.accountId)
  return account?.email ?? family.accountId
}

/** `families show`: `{ family, steps: [{ token, parent?, issued_at, ip?, consumed_at?, replays, … }], events }`. */
export const familiesShow: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), id: args.operands[0] ?? '' }),
  async execute(core, wanted) {
    const family = await findFamily(core, wanted)
    const [steps, events] = await Promise.all([
      core.families.steps(wanted.tenant, family.id),
      core.audit.ofFamily(wanted.tenant, family.id),
    ])
    return {
      family: familyOutput(family, await ownerOf(core, family), core.clock.now()),
      steps: steps.map(stepOutput),
      events: events.map(({ at, type, ip, detail }) => ({
        at: rfc3339(at),
        type,
        ...present({ ip, detail }),
      })),
    }
  },
  render: ({ family, steps, events }) =>
    [
      `Family ${family.id}: ${family.account} at ${family.client_id}, ${family.device}`,
      [`Allowed from ${family.ip ?? 'an unknown address'}`, family.user_agent ?? '']
        .join('  ')
        .trimEnd(),
      sentenceOn(family),
      '',
      columns(timeLine(steps, events)),
    ].join('\n'),
}

function timeLine(steps: StepOutput[], events: EventOutput[]): string[][] {
  const lines = steps.flatMap((step) => {
    const who = [step.ip ?? '', step.user_agent ?? '']
    const came = step.parent ? `rotated from ${step.parent}` : 'issued'
    return [
      [step.issued_at, step.token, came, ...who],
      ...(step.replayed_at
        ? [[step.replayed_at, step.token, `answered again, ${step.replays} in total`]]
        : []),
    ]
  })
  const others = events
    .filter(({ type }) => type !== 'family.replayed')
    .map(({ at, type, ip = '', detail }) => [at, '', type, ip, inWords(detail)])
  return [...lines, ...others].toSorted((a, b) => (a[0] as string).localeCompare(b[0] as string))
}
