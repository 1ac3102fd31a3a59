import { z } from 'zod'
import { eventJson } from '../audit/event.ts'
import { createClock } from '../clock.ts'
import { DomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import { auditFilter, auditFilterOption } from './audit-filter.ts'
import { columns } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { assertTenant } from './tenant-option.ts'

const input = z.strictObject({
  ...auditFilter,
  /** Where the previous page ended: its `next`. */
  after: z.string().optional(),
  order: z.enum(['newest', 'oldest']).optional(),
  limit: z.number().int().min(1).max(1000),
})

/** Events as docs/audit.md has them. */
export interface AuditOutput {
  events: Array<Record<string, unknown>>
  /** For `--after`; absent on the last page. */
  next?: string
}

/** `audit list`: `{ events: [{ id, at, type, … }], next? }`. */
export const auditList: Command<z.infer<typeof input>, AuditOutput> = {
  input,
  prepare(args) {
    const after = optionalText(args, 'after')
    return {
      ...auditFilterOption(args, createClock().now()),
      ...present({ after }),
      limit: Number(args.options['limit']),
    }
  },
  async execute(core, { tenant, account, types, limit, order = 'newest', after, ...wanted }) {
    await assertTenant(core, tenant)
    const filter = {
      types,
      accountId: await accountIdOf(core, tenant, account),
      clientId: wanted.client,
      familyId: wanted.family,
      requestId: wanted.request,
      since: wanted.since,
      until: wanted.until,
    }
    const page = { after: placeIn(after), limit, order }
    const { events, next } = await core.audit.listEvents(tenant, filter, page)
    return {
      events: events.map((event) => eventJson(tenant, event)),
      ...(next ? { next: `${next.at}~${next.id}` } : {}),
    }
  },
  render({ events, next }) {
    if (events.length === 0) return 'There are no matching events.'
    const lines = columns(events.map(line))
    return next === undefined ? lines : `${lines}\nMore: --after ${next}`
  },
}

/** A deleted account has no address: its id is accepted. */
async function accountIdOf(core: Capabilities, tenant: string, identifier: string | undefined) {
  if (identifier === undefined) return undefined
  return (await core.accounts.byIdentifier(tenant, identifier))?.id ?? identifier
}

/** @throws DomainError `parameter_malformed` */
function placeIn(cursor: string | undefined) {
  if (cursor === undefined) return undefined
  const [, at, id] = /^(\d{1,15})~(.+)$/.exec(cursor) ?? []
  if (at !== undefined && id !== undefined) return { at: Number(at), id }
  throw new DomainError('parameter_malformed', {
    detail: `--after: expected the value printed at the end of the previous page, got ${JSON.stringify(cursor)}.`,
  })
}

function line(event: Record<string, unknown>): string[] {
  const text = (name: string) => (typeof event[name] === 'string' ? event[name] : '')
  const { kind = '', id } = (event['actor'] ?? {}) as { kind?: string; id?: string }
  const subject = ['account_id', 'client_id', 'family_id'].map(text).filter(Boolean).join(' ')
  return [
    text('at'),
    text('type'),
    text('outcome'),
    id === undefined ? kind : `${kind}:${id}`,
    subject,
    text('ip'),
    event['detail'] === undefined ? '' : JSON.stringify(event['detail']),
  ]
}
