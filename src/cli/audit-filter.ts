import { z } from 'zod'
import { type AuditType, auditTypes } from '../audit/kinds.ts'
import { present } from '../present.ts'
import { type Arguments, optionalText, UsageError } from './command.ts'
import { ofTenant, tenantOption } from './tenant-option.ts'

/** The filter of `audit list` and `audit export`. */
export const auditFilter = {
  ...ofTenant,
  types: z.array(z.enum(auditTypes)).optional(),
  account: z.string().optional(),
  client: z.string().optional(),
  family: z.string().optional(),
  request: z.string().optional(),
  /** Milliseconds since the epoch. */
  since: z.number().optional(),
  until: z.number().optional(),
}

const inputShape = z.object(auditFilter)
export type AuditFilterInput = z.infer<typeof inputShape>

/** @throws UsageError for an invalid time or an unknown type */
export function auditFilterOption(args: Arguments, now: number): AuditFilterInput {
  const text = (name: string) => optionalText(args, name)
  const types = args.options['type'] as AuditType[] | undefined
  const strange = types?.filter((name) => !auditTypes.some((type) => type === name)) ?? []
  if (strange.length > 0) {
    throw new UsageError(
      `--type: expected a type listed in docs/audit.md, got ${strange.join(', ')}`,
    )
  }
  const members = {
    types,
    account: text('account'),
    client: text('client'),
    family: text('family'),
    request: text('request'),
    since: timeOption(args, 'since', now),
    until: timeOption(args, 'until', now),
  }
  return { ...tenantOption(args), ...present(members) }
}

const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time or an age: `2026-01-31`, `2026-01-31T12:00:00Z`, `90m`, `12h`, `7d`. */
function timeOption(args: Arguments, name: string, now: number): number | undefined {
  const text = optionalText(args, name)
  if (text === undefined) return undefined
  const [, count, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  if (count !== undefined) return now - Number(count) * (units[unit] as number)
  const isMoment = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
  const time = isMoment ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new UsageError(
    `--${name}: expected 2026-01-31, 2026-01-31T12:00:00Z, 90m, 12h or 7d, got ${JSON.stringify(text)}`,
  )
}
