import { z } from 'zod'
import { rfc3339 } from '../rfc3339.ts'
import { scheduleOf } from '../signing/schedule.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { type KeyOutput, keyOutput } from './key-output.ts'
import { keyPicture } from './key-picture.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

interface Output {
  keys: KeyOutput[]
  /** RFC 3339. */
  now: string
}

/** `keys list`: `{ keys: [{ kid, alg, state, … }], now }`. */
export const keysList: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }) {
    await assertTenant(core, tenant)
    const now = core.clock.now()
    const schedule = scheduleOf(core.config)
    const keys = (await core.signing.list(tenant)).map((key) => keyOutput(key, now, schedule))
    keys.sort((a, b) => a.alg.localeCompare(b.alg))
    return { keys, now: rfc3339(now) }
  },
  render: ({ keys, now }) =>
    keys.length === 0
      ? 'There are no signing keys yet; the first start of the server creates them.'
      : [
          columns(keys.map((key) => [key.alg, key.state, whatNext(key), key.kid])),
          '',
          ...keyPicture(keys, Date.parse(now)),
        ].join('\n'),
}

/** Its next event, or its last one. */
function whatNext({ state, ...key }: KeyOutput): string {
  switch (state) {
    case 'unpublished':
    case 'pending':
      return `signs from ${key.activate_at}`
    case 'active':
      return key.retire_at === undefined
        ? `successor due ${key.successor_due_at}`
        : `signs until ${key.retire_at}`
    case 'retiring':
      return `removed at ${key.remove_at}`
    case 'removed':
      return `removed at ${key.remove_at}`
    case 'revoked':
      return `revoked at ${key.revoked_at}`
  }
}
