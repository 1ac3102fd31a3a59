import { z } from 'zod'
import { rfc3339 } from '../rfc3339.ts'
import type { Command } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  clientId: z.string(),
  /** Seconds. */
  overlap: z.int().nonnegative(),
})

interface Output {
  client_id: string
  client_secret: string
  /** RFC 3339. */
  old_secrets_expire_at: string
}

/** `clients rotate-secret`: `{ client_id, client_secret, old_secrets_expire_at }`. */
export const rotateSecret: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({
    ...tenantOption(args),
    clientId: args.operands[0] ?? '',
    overlap: Number(args.options['overlap']),
  }),
  async execute(core, { tenant, clientId, overlap }) {
    await assertTenant(core, tenant)
    const ends = core.clock.now() + overlap * 1000
    return {
      client_id: clientId,
      client_secret: await core.clients.rotateSecret(tenant, clientId, overlap),
      old_secrets_expire_at: rfc3339(ends),
    }
  },
  render: ({ client_id, client_secret, old_secrets_expire_at }) =>
    [
      `Client secret of ${client_id}: ${client_secret}`,
      `It is shown once and not stored. Older secrets expire at ${old_secrets_expire_at}.`,
    ].join('\n'),
}
