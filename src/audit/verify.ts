import { present } from '../present.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import type { Database } from '../storage/database.ts'
import {
  type Chain,
  type Chains,
  type Head,
  type SealableRow,
  sealableColumns,
  sealedMembers,
} from './chain.ts'

/** Events and gaps of one query. */
const pageSize = 1000

/** The first inconsistency. */
export interface AuditFault {
  /** The position; undefined when the fault is in the head. */
  position?: number
  /** The id of the event at that position. */
  id?: string
  what:
    | 'event_altered'
    | 'event_missing'
    | 'event_strange'
    | 'gap_altered'
    | 'head_altered'
    | 'head_unknown'
  expected: string
  found: string
}

export interface AuditVerification {
  /** Events with a valid seal. */
  verified: number
  /** Positions whose events were deleted after their retention time. */
  removed: number
  /** The end of the chain, for a later `--from-head`. */
  head: Head
  /** Events not sealed yet. */
  unsealed: number
  /** Time of the oldest unsealed event that is no longer counted on; milliseconds since the epoch. */
  oldestUnsealedAt?: number
  fault?: AuditFault
}

interface Link extends SealableRow {
  first: string
  last: string
  kind: string
  seal: string
  before: string | null
  mac: string | null
}

interface Dependencies {
  database: Database
  chains: Chains
}

/**
 * Verifies the chain of a tenant: recomputes every seal.
 * @param from an earlier recorded head: only later events are verified
 */
export async function verifyChain(
  { database, chains }: Dependencies,
  tenant: string,
  from?: Head,
): Promise<AuditVerification> {
  const chain = await chains(tenant)
  const found = await headOf(database, tenant)
  const head = { position: found.position, seal: found.seal }
  const result: AuditVerification = {
    verified: 0,
    removed: 0,
    head,
    ...(await waiting(database, tenant)),
  }
  const fault =
    headFault(chain, found) ??
    (from && (await startFault(database, tenant, from, head))) ??
    (await walk({ database, chain, tenant, head, result }, from ?? { position: 0, seal: '' })) ??
    (await beyond(database, tenant))
  return fault ? { ...result, fault } : result
}

async function headOf(
  database: Database,
  tenant: string,
): Promise<Head & { mac: string | undefined }> {
  const [row] = await database.query<{ position: string; seal: string; mac: string }>(
    'select position::text as position, seal, mac from audit_heads where tenant_id = $1',
    [tenant],
  )
  return { position: Number(row?.position ?? 0), seal: row?.seal ?? '', mac: row?.mac }
}

function headFault(chain: Chain, { mac, ...head }: Head & { mac: string | undefined }) {
  // A tenant without events has no head; if it should have one, `beyond` finds the events.
  if (mac === undefined || equalInConstantTime(mac, chain.macOfHead(head))) return undefined
  return { what: 'head_altered', expected: chain.macOfHead(head), found: mac } as const
}

/** Checks that the chain contains the given head. */
async function startFault(
  database: Database,
  tenant: string,
  from: Head,
  head: Head,
): Promise<AuditFault | undefined> {
  const fault = (what: string): AuditFault => ({
    what: 'head_unknown',
    position: from.position,
    expected: from.seal,
    found: what,
  })
  if (from.position > head.position) return fault(`a chain that ends at ${head.position}`)
  if (from.position === 0) return undefined
  const rows = await database.query<{ seal: string; last: string }>(
    `select seal, position::text as last from audit_events where tenant_id = $1 and position = $2
     union all
     select seal, last::text from audit_gaps where tenant_id = $1 and $2 between first and last`,
    [tenant, from.position],
  )
  const [row] = rows
  if (!row) return fault('nothing')
  if (Number(row.last) !== from.position)
    return fault(`an event that was removed with those up to ${row.last}: use a later head`)
  return row.seal === from.seal ? undefined : fault(row.seal)
}

interface Walk {
  database: Database
  chain: Chain
  tenant: string
  head: Head
  /** Filled in while verifying. */
  result: AuditVerification
}

async function walk(
  { database, chain, tenant, head, result }: Walk,
  start: Head,
): Promise<AuditFault | undefined> {
  let { position, seal } = start
  while (position < head.position) {
    // One statement, so that each position is seen as an event or in a gap, never as neither.
    const links = await database.query<Link>(
      `(select position::text as first, position::text as last, 'event' as kind, seal, null as before, null as mac,
          ${sealableColumns} from audit_events
        where tenant_id = $1 and position > $2 and position <= $3 order by position limit ${pageSize})
       union all
       (select first::text, last::text, 'gap', seal, before, mac${', null'.repeat(sealedMembers.length)}
        from audit_gaps where tenant_id = $1 and last > $2 order by last limit ${pageSize})`,
      [tenant, position, head.position],
    )
    const ordered = links.toSorted((a, b) => Number(a.first) - Number(b.first))
    if (ordered.length === 0) return missing(position + 1, 'the end of the chain')
    const horizon = Math.min(horizonOf(links, 'event'), horizonOf(links, 'gap'))
    for (const link of ordered) {
      const first = Number(link.first)
      if (first > horizon) break
      const isGap = link.kind === 'gap'
      // Verified events may be deleted while the rest is read.
      const isGrown = isGap && first <= position
      if (first !== position + 1 && !isGrown) return missing(position + 1, String(first), link)
      const fault = isGap
        ? gapFault(chain, link, isGrown ? undefined : seal)
        : eventFault(chain, link, seal)
      if (fault) return fault
      if (isGap) result.removed += Number(link.last) - position
      else result.verified++
      position = Number(link.last)
      seal = link.seal
    }
  }
  if (position > head.position || seal === head.seal) return undefined
  return { what: 'head_altered', position, expected: seal, found: head.seal }
}

/** Where a full page of one kind ends: after it the other kind may have more. */
function horizonOf(links: Link[], kind: string): number {
  const ends = links.filter((link) => link.kind === kind).map(({ last }) => Number(last))
  return ends.length === pageSize ? Math.max(...ends) : Number.POSITIVE_INFINITY
}

function missing(position: number, found: string, link?: Link): AuditFault {
  const id = link?.['id'] ?? undefined
  return {
    what: 'event_missing',
    position,
    ...present({ id }),
    expected: `position ${position}`,
    found: found === 'the end of the chain' ? found : `position ${found}`,
  }
}

function eventFault(chain: Chain, link: Link, before: string): AuditFault | undefined {
  const position = Number(link.first)
  const expected = chain.sealOf(before, position, link)
  if (equalInConstantTime(expected, link.seal)) return undefined
  return { what: 'event_altered', position, id: String(link['id']), expected, found: link.seal }
}

function gapFault(chain: Chain, link: Link, before: string | undefined): AuditFault | undefined {
  const gap = {
    first: Number(link.first),
    last: Number(link.last),
    before: String(link.before),
    seal: link.seal,
  }
  const expected = chain.macOfGap(gap)
  const position = gap.first
  if (!equalInConstantTime(expected, String(link.mac)))
    return { what: 'gap_altered', position, expected, found: String(link.mac) }
  if (before === undefined || before === gap.before) return undefined
  return { what: 'gap_altered', position, expected: before, found: gap.before }
}

/** An event beyond the head was not sealed by us. */
async function beyond(database: Database, tenant: string): Promise<AuditFault | undefined> {
  const [row] = await database.query<{ id: string; position: string; head: string }>(
    `select place.id, place.position::text as position, coalesce(h.position, 0)::text as head
     from (select tenant_id, id, position from audit_events where tenant_id = $1 and position is not null
           union all select tenant_id, '', last from audit_gaps where tenant_id = $1) place
       left join audit_heads h on h.tenant_id = place.tenant_id
     where place.position > coalesce(h.position, 0) order by place.position limit 1`,
    [tenant],
  )
  return (
    row && {
      what: 'event_strange',
      position: Number(row.position),
      ...(row.id === '' ? {} : { id: row.id }),
      expected: `a chain that ends at ${row.head}`,
      found: `position ${row.position}`,
    }
  )
}

async function waiting(database: Database, tenant: string) {
  const [row] = await database.query<{ count: string; oldest: Date | null }>(
    `select count(*)::text as count, min(at) filter (where open_until is null) as oldest from audit_events
     where tenant_id = $1 and position is null`,
    [tenant],
  )
  const oldest = row?.oldest?.getTime()
  return {
    unsealed: Number(row?.count ?? 0),
    ...present({ oldestUnsealedAt: oldest }),
  }
}
