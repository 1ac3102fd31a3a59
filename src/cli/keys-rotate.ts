import { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'
import { scheduleOf } from '../signing/schedule.ts'
import { type SigningAlg, signingAlgs } from '../signing/signing-key.ts'
import type { Rotation } from '../signing/signing-keys.ts'
import { type Command, optionalText, UsageError } from './command.ts'
import { type KeyOutput, keyOutput } from './key-output.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, alg: z.enum(signingAlgs).optional() })

interface Output {
  rotations: Array<{ outcome: 'published' | 'pending'; next: KeyOutput }>
}

/** `keys rotate`: `{ rotations: [{ outcome, next }] }`, one for each algorithm that the tenant has keys for. */
export const keysRotate: Command<z.infer<typeof input>, Output> = {
  input,
  prepare(args) {
    const given = optionalText(args, 'alg')
    if (given === undefined) return tenantOption(args)
    const alg = signingAlgs.find((each) => each === given)
    if (!alg) throw new UsageError(`--alg: expected one of ${signingAlgs.join(', ')}, got ${given}`)
    return { ...tenantOption(args), alg }
  },
  async execute(core, { tenant, alg }) {
    await assertTenant(core, tenant)
    const rotations: Output['rotations'] = []
    const isFirst = alg !== undefined && (await core.signing.ensure(tenant, [alg]))
    for (const each of alg ? [alg] : signingAlgs) {
      const rotation = isFirst
        ? await firstKeyOf(core, tenant, each)
        : await core.signing.rotate(tenant, each)
      if (!rotation) continue
      const { outcome, next } = rotation
      const key = keyOutput(next, core.clock.now(), scheduleOf(core.config))
      rotations.push({ outcome, next: key })
    }
    return { rotations }
  },
  render: ({ rotations }) =>
    rotations.length === 0
      ? 'There is no key to rotate yet: the first start creates ES256 and RS256.'
      : rotations
          .map(({ outcome, next: { alg, kid, activate_at: at } }) =>
            outcome === 'published'
              ? `${alg}: key ${kid} is published and signs from ${at}.`
              : `${alg}: nothing was done: key ${kid} is already pending and signs from ${at}.`,
          )
          .join('\n'),
}

/** What an algorithm begins with. */
async function firstKeyOf(
  { signing }: Capabilities,
  tenant: string,
  alg: SigningAlg,
): Promise<Rotation | undefined> {
  const next = (await signing.list(tenant)).find((key) => key.alg === alg && !key.retireAt)
  return next && { outcome: 'published', next }
}
