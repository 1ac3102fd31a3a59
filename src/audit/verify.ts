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

/** Events and gaps of one look. */
const pageSize = 1000

/** The first thing that does not fit. */
export interface AuditFault {
  /** Where; absent when it is about the head. */
  position?: number
  /** The event that is there. */
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
  /** Events whose seal fits. */
  verified: number
  /** Positions whose events were removed when they were old enough. */
  removed: number
  /** Where the chain ends; for `--from-head` of a later time. */
  head: Head
  /** Events that wait for their place. */
  unsealed: number
  /** Milliseconds since the epoch; of the oldest that waits, and is not counted on any more. */
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
 * Goes along the chain of a tenant and computes every seal again.
 * @param from a head that was written down earlier: what is behind it is not looked at
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
  // A tenant without events has no head; if it had some, they are found beyond it.
  if (mac === undefined || equalInConstantTime(mac, chain.macOfHead(head))) return undefined
  return { what: 'head_altered', expected: chain.macOfHead(head), found: mac } as const
}

/** Whether the chain has passed through there. */
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
    return fault(`an event that was removed with those up to ${row.last}: take a later head`)
  return row.seal === from.seal ? undefined : fault(row.seal)
}

interface Walk {
  database: Database
  chain: Chain
  tenant: string
  head: Head
  /** What is counted on the way. */
  result: AuditVerification
}

async function walk(
  { database, chain, tenant, head, result }: Walk,
  start: Head,
): Promise<AuditFault | undefined> {
  let { position, seal } = start
  while (position < head.position) {
    // One statement: an event is there, or in a gap, and never in neither.
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
      // Events that were verified may be removed while the rest is.
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

/** Where a full page of one kind ends: behind it the other kind may have more. */
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

/** What has a place behind the head has none from the sealer. */
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
