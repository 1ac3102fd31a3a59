import { setImmediate } from 'node:timers/promises'
import type { Platform } from '../platform.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import { type Chain, type Chains, type Gap, type SealableRow, sealableColumns } from './chain.ts'
import type { AuditType } from './kinds.ts'

/** Events of one batch, which is one transaction; most batches of one round. */
const batch = 500
const mostBatches = 200

type OldEvent = SealableRow & { position: string; seal: string }

interface Neighbour {
  first: string
  last: string
  /** Of a gap. */
  before: string | null
  seal: string
  mac: string | null
}

/** An event that does not match its seal is not deleted: it is evidence of tampering. */
interface Found {
  removed: number
  kept: number
}

/**
 * Deletes sealed events after their retention time. Each is verified first, and its position becomes part of a gap, so
 * that the chain can be verified across it.
 */
export function createAuditRetention({
  database,
  clock,
  log,
  chains,
  days,
}: Pick<Platform, 'database' | 'clock' | 'log'> & {
  chains: Chains
  days: Record<AuditType, number>
}): { sweep(): Promise<number> } {
  const types = Object.keys(days) as AuditType[]
  const cutoffs = () => types.map((type) => new Date(clock.now() - days[type] * 24 * 3600 * 1000))

  /** @param after positions up to here were checked and stay */
  async function removeBatch(tenant: string, after: number): Promise<Found & { last: number }> {
    const chain = await chains(tenant)
    return database.transaction(async () => {
      // The sealer of this tenant waits for this lock; other sweeps skip it.
      const held = await database.query(
        'select 1 from audit_heads where tenant_id = $1 for update skip locked',
        [tenant],
      )
      if (held.length === 0) return { removed: 0, kept: 0, last: after }
      const old = await database.query<OldEvent>(
        `select ${sealableColumns}, e.position::text as position, e.seal
         from unnest($2::text[], $3::timestamptz[]) as k (kind, cutoff) cross join lateral (
           select * from audit_events where tenant_id = $1 and type = k.kind and at < k.cutoff
             and position > $4 order by at limit ${batch}) e
         order by e.position limit ${batch}`,
        [tenant, types, cutoffs(), after],
      )
      const last = Number(old.at(-1)?.position ?? after)
      const { gaps, positions } = await gapsOver(tenant, chain, old)
      await replaceGaps(tenant, chain, gaps)
      await database.query(`select set_config('keyturn.audit_retention', 'on', true)`)
      const removed = await database.execute(
        'delete from audit_events where tenant_id = $1 and position = any($2::bigint[])',
        [tenant, positions],
      )
      await database.query(`select set_config('keyturn.audit_retention', 'off', true)`)
      return { removed, kept: old.length - removed, last }
    })
  }

  /** For each position: the seal ahead of it, and the gap that ends or starts next to it. */
  async function neighbours(tenant: string, chain: Chain, positions: number[]) {
    const found = await database.query<Neighbour>(
      `select position::text as first, position::text as last, null as before, seal, null as mac from audit_events
         where tenant_id = $1 and position = any($2::bigint[])
       union all select first::text, last::text, before, seal, mac from audit_gaps
         where tenant_id = $1 and (last = any($2::bigint[]) or first = any($3::bigint[]))`,
      [
        tenant,
        positions.map((position) => position - 1),
        positions.map((position) => position + 1),
      ],
    )
    const gaps: Gap[] = []
    // A tampered gap must not be merged into a valid one.
    const rows = found.filter(({ first, last, before, seal, mac }) => {
      if (before === null) return true
      const gap = { first: Number(first), last: Number(last), before, seal }
      const fits = equalInConstantTime(mac ?? '', chain.macOfGap(gap))
      if (fits) gaps.push(gap)
      return fits
    })
    return {
      sealAt: new Map(rows.map(({ last, seal }) => [Number(last), seal])),
      endingAt: new Map(gaps.map((gap) => [gap.last, gap])),
      startingAt: new Map(gaps.map((gap) => [gap.first, gap])),
    }
  }

  /** Gaps that replace the events and the gaps next to them; without events that do not match their seals. */
  async function gapsOver(tenant: string, chain: Chain, old: OldEvent[]) {
    const { sealAt, endingAt, startingAt } = await neighbours(
      tenant,
      chain,
      old.map(({ position }) => Number(position)),
    )
    const gaps: Gap[] = []
    const positions: number[] = []
    for (const row of old) {
      const position = Number(row.position)
      const before = position === 1 ? '' : sealAt.get(position - 1)
      if (
        before === undefined ||
        !equalInConstantTime(row.seal, chain.sealOf(before, position, row))
      ) {
        log.error(
          { tenant, position, event: row['id'] },
          'an expired audit event does not match its seal and is not removed; run "audit verify"',
        )
        continue
      }
      positions.push(position)
      const touching = gaps.at(-1)?.last === position - 1 ? gaps.pop() : endingAt.get(position - 1)
      const following = startingAt.get(position + 1)
      gaps.push({
        first: touching?.first ?? position,
        before: touching?.before ?? before,
        last: following?.last ?? position,
        seal: following?.seal ?? row.seal,
      })
    }
    return { gaps, positions }
  }

  async function replaceGaps(tenant: string, chain: Chain, gaps: Gap[]): Promise<void> {
    if (gaps.length === 0) return
    const firsts = gaps.map(({ first }) => first)
    const lasts = gaps.map(({ last }) => last)
    await database.execute(
      `delete from audit_gaps g using unnest($2::bigint[], $3::bigint[]) as n (first, last)
       where g.tenant_id = $1 and g.first between n.first and n.last`,
      [tenant, firsts, lasts],
    )
    await database.execute(
      `insert into audit_gaps (tenant_id, first, last, before, seal, removed_at, mac)
       select $1, first, last, before, seal, $2, mac
       from unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[]) as g (first, last, before, seal, mac)`,
      [
        tenant,
        new Date(clock.now()),
        firsts,
        lasts,
        gaps.map(({ before }) => before),
        gaps.map(({ seal }) => seal),
        gaps.map((gap) => chain.macOfGap(gap)),
      ],
    )
  }

  return {
    async sweep() {
      const tenants = await database.query<{ id: string }>(
        'select tenant_id as id from audit_heads',
      )
      let total = 0
      for (const { id } of tenants) {
        let after = 0
        for (let round = 0; round < mostBatches; round++) {
          const { removed, kept, last } = await removeBatch(id, after)
          total += removed
          if (removed + kept < batch) break
          // Only events that stay are skipped: the next batch starts over, as each type is read by time.
          if (kept > 0) after = last
          await setImmediate()
        }
      }
      return total
    },
  }
}
