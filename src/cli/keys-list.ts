import { z } from 'zod'
import { type SigningKeyState, stateOf } from '../signing/signing-key.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

/** Times as RFC 3339. */
interface KeyOutput {
  kid: string
  alg: string
  state: SigningKeyState
  publish_at: string
  activate_at: string
  retire_at?: string
  remove_at?: string
}

/** `keys list`: `{ keys: [{ kid, alg, state, publish_at, activate_at, retire_at?, remove_at? }] }`. */
export const keysList: Command<z.infer<typeof input>, { keys: KeyOutput[] }> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }) {
    await assertTenant(core, tenant)
    const time = (at: number) => new Date(at).toISOString()
    const keys = (await core.signing.list(tenant)).map((key) => ({
      kid: key.kid,
      alg: key.alg,
      state: stateOf(key, core.clock.now()),
      publish_at: time(key.publishAt),
      activate_at: time(key.activateAt),
      ...(key.retireAt === undefined ? {} : { retire_at: time(key.retireAt) }),
      ...(key.removeAt === undefined ? {} : { remove_at: time(key.removeAt) }),
    }))
    return { keys }
  },
  render: ({ keys }) =>
    keys.length === 0
      ? 'There are no signing keys yet; the first start of the server makes them.'
      : columns(keys.map(({ kid, alg, state, activate_at }) => [alg, state, activate_at, kid])),
}
