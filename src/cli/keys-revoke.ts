import { z } from 'zod'
import { scheduleOf } from '../signing/schedule.ts'
import type { Command } from './command.ts'
import { type KeyOutput, keyOutput } from './key-output.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, kid: z.string() })

interface Output {
  key: KeyOutput
  changed: boolean
  replacement?: { key: KeyOutput; published_seconds: number }
  jwks_max_age: number
  access_token_ttl: number
}

/** `keys revoke`: `{ key, changed, replacement?: { key, published_seconds }, jwks_max_age, access_token_ttl }`. */
export const keysRevoke: Command<z.infer<typeof input>, Output> = {
  input,
  prepare: (args) => ({ ...tenantOption(args), kid: args.operands[0] ?? '' }),
  async execute(core, { tenant, kid }) {
    await assertTenant(core, tenant)
    const { config, clock, signing } = core
    const { changed, revoked, replacement } = await signing.revoke(tenant, kid)
    const now = clock.now()
    const output = (key: typeof revoked) => keyOutput(key, now, scheduleOf(config))
    const [key = revoked] = (await signing.list(tenant)).filter((each) => each.kid === kid)
    const published = replacement?.kind === 'new' ? 0 : now - (replacement?.key.publishAt ?? now)
    return {
      key: output(key),
      changed,
      ...(replacement
        ? {
            replacement: {
              key: output(replacement.key),
              published_seconds: Math.floor(published / 1000),
            },
          }
        : {}),
      jwks_max_age: config.jwksMaxAge,
      access_token_ttl: config.accessTokenTtl,
    }
  },
  render(output) {
    const { key, changed, replacement, jwks_max_age: maxAge, access_token_ttl: ttl } = output
    if (!changed) return `Key ${key.kid} is already ${key.state}; nothing was done.`
    return [
      `Key ${key.kid} (${key.alg}) is revoked: within 2 seconds no node signs with it or publishes it.`,
      ...(replacement
        ? [
            `Key ${replacement.key.kid} signs in its place at once; it was published ${replacement.published_seconds} s ago.`,
            'A verifier that does not have it yet fetches the key set on first use; one that fetched it within its',
            'pause (30 s in jose) refuses new tokens until the pause is over.',
          ]
        : []),
      `Verifiers accept what the revoked key signed for as long as they keep the key set: ${maxAge} s by Cache-Control, some`,
      'longer. Restart those that cannot wait. This server itself refuses it from now on: introspection, userinfo, hints.',
      `Access tokens in circulation expire within ${ttl} s. Refresh tokens and sessions are not signed and stay valid.`,
    ].join('\n')
  },
}
