import { z } from 'zod'
import type { Command } from './command.ts'
import { findFamily, ownerOf } from './families-show.ts'
import { type FamilyOutput, familyOutput } from './family-output.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, id: z.string() })

interface Output {
  family: FamilyOutput
  changed: boolean
}

/** `families revoke`: `{ family, changed }`. */
export const familiesRevoke: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), id: args.operands[0] ?? '' }),
  async execute(core, wanted) {
    const family = await findFamily(core, wanted)
    const changed = family.endedAt === undefined
    if (changed) await core.families.end(wanted.tenant, family.id, 'operator')
    const ended = await findFamily(core, wanted)
    return { family: familyOutput(ended, await ownerOf(core, ended), core.clock.now()), changed }
  },
  render: ({ family, changed }) =>
    changed
      ? `Family ${family.id} has ended; its access tokens are refused from now on.`
      : `Family ${family.id} has already ended: ${family.ended_reason}.`,
}
