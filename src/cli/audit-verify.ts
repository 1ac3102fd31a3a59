import { z } from 'zod'
import type { Head } from '../audit/chain.ts'
import type { AuditFault } from '../audit/verify.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { rfc3339 } from '../rfc3339.ts'
import { type Command, optionalText, UsageError } from './command.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({
  ...ofTenant,
  from: z.strictObject({ position: z.number().int(), seal: z.string() }).optional(),
  /** All tenants, including disabled ones; overrides `tenant`. */
  all: z.literal(true).optional(),
})

/** The result for a chain; `head` is the argument of `--from-head`. */
export interface VerifyOutput {
  tenant: string
  ok: boolean
  verified: number
  removed: number
  head: string
  unsealed: number
  oldest_unsealed_at?: string
  /** Seconds. */
  oldest_unsealed_age?: number
  fault?: AuditFault
}

/** Of every tenant; `ok` when each one is. */
interface AllOutput {
  ok: boolean
  chains: VerifyOutput[]
}

/**
 * `audit verify`: `{ tenant, ok, verified, removed, head, unsealed, oldest_unsealed_at?, fault? }`; with `--all`
 * `{ ok, chains: [{ tenant, … }] }`.
 */
export const auditVerify: Command<z.infer<typeof input>, VerifyOutput | AllOutput> = {
  input,
  prepare(args) {
    const text = optionalText(args, 'fromHead')
    const all = args.options['all'] === true
    if (all && text !== undefined) {
      throw new UsageError('--from-head is for one tenant and cannot be combined with --all')
    }
    if (text === undefined) return { ...tenantOption(args), ...(all ? { all } : {}) }
    const [, position, seal] = /^(\d{1,15}):([\w-]{43})$/.exec(text) ?? []
    if (position === undefined || seal === undefined) {
      throw new UsageError(
        `--from-head: expected <position>:<seal>, as "audit verify" and the log print it, got ${JSON.stringify(text)}`,
      )
    }
    return { ...tenantOption(args), from: { position: Number(position), seal } }
  },
  async execute(core, { tenant, from, all }) {
    if (!all) {
      await assertTenant(core, tenant)
      return verify(core, tenant, from)
    }
    const chains: VerifyOutput[] = []
    for (const { id } of await core.tenants.list()) chains.push(await verify(core, id))
    return { ok: chains.every(({ ok }) => ok), chains }
  },
  render: (result) =>
    'chains' in result ? result.chains.map(rendered).join('\n\n') : rendered(result),
  failed: ({ ok }) => !ok,
}

async function verify(core: Capabilities, tenant: string, from?: Head): Promise<VerifyOutput> {
  const { verified, removed, head, unsealed, oldestUnsealedAt, fault } = await core.audit.verify(
    tenant,
    from,
  )
  return {
    tenant,
    ok: fault === undefined,
    verified,
    removed,
    head: `${head.position}:${head.seal}`,
    unsealed,
    ...(oldestUnsealedAt === undefined
      ? {}
      : {
          oldest_unsealed_at: rfc3339(oldestUnsealedAt),
          oldest_unsealed_age: Math.round((core.clock.now() - oldestUnsealedAt) / 1000),
        }),
    ...(fault ? { fault } : {}),
  }
}

function rendered({ tenant, verified, removed, head, unsealed, fault, ...oldest }: VerifyOutput) {
  const counted = `${verified} events of tenant ${tenant} verified, ${removed} removed by retention.`
  const age =
    oldest.oldest_unsealed_age === undefined
      ? ''
      : `, the oldest for ${oldest.oldest_unsealed_age} seconds`
  const lines = [
    counted,
    `Head: ${head}`,
    unsealed === 0
      ? 'None is waiting to be sealed.'
      : `${unsealed} are waiting to be sealed${age}.`,
  ]
  return fault ? [describe(fault), ...lines].join('\n') : lines.join('\n')
}

const sentences: Record<AuditFault['what'], string> = {
  event_altered: 'The event does not match its seal: it was changed, or another event preceded it',
  event_missing: 'An event is missing',
  event_strange: 'An event has a position that no sealer assigned',
  gap_altered: 'Events are missing that retention did not remove',
  head_altered: 'The head was not written by a sealer',
  head_unknown: 'The chain does not pass through the head that was given',
}

function describe({ what, position, id, expected, found }: AuditFault): string {
  const where = position === undefined ? '' : ` at position ${position}`
  const which = id === undefined ? '' : ` (event ${id})`
  return `FAULT${where}${which}. ${sentences[what]}.\n  expected  ${expected}\n  found     ${found}`
}
