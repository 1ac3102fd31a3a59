import type { Platform } from '../platform.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import { type Chain, type Chains, type Head, type SealableRow, sealableColumns } from './chain.ts'

/**
 * Events of one batch, which is one short transaction, as embedded storage has one connection; most batches of one
 * round.
 */
const batch = 100
const mostBatches = 200

/** Milliseconds that a counting row stays open after its period, for nodes whose request began within it. */
const grace = 60_000

/** Milliseconds between two log lines with the head of a chain. */
const toldEvery = 600_000

/** Called in the transaction that seals events, oldest first. @param ids of the events */
export type Sealed = (tenant: string, ids: string[]) => Promise<void>

export interface AuditSealer {
  /**
   * Gives committed events their position in the chain, in batches; each batch is sealed by whichever node comes first,
   * apart from requests. An interrupted batch is rolled back.
   * @param isLast whether this process ends: it then logs the heads that it has not logged yet
   * @returns how many
   */
  sealEvents(isLast?: boolean): Promise<number>
  /** Registers work for the transaction of each batch. */
  onSealed(work: Sealed): void
}

export function createAuditSealer({
  database,
  clock,
  log,
  metrics,
  chains,
}: Pick<Platform, 'database' | 'clock' | 'log' | 'metrics'> & {
  chains: Chains
}): AuditSealer {
  const listeners: Sealed[] = []
  /** The last head that this process saw: a chain never becomes shorter. */
  const seen = new Map<string, Head>()
  const told = new Map<string, { position: number; at: number }>()

  const closed = () => new Date(clock.now() - grace)

  /** Unsealed events of all tenants. */
  async function unsealed(): Promise<{ events: number; seconds: number }> {
    const [row] = await database.query<{ events: number; oldest: Date | null }>(
      `select count(*)::int as events, min(at) as oldest from audit_events
       where position is null and (open_until is null or open_until <= $1)`,
      [closed()],
    )
    const { events = 0, oldest = null } = row ?? {}
    return { events, seconds: oldest === null ? 0 : (clock.now() - oldest.getTime()) / 1000 }
  }
  metrics.gauge('keyturn_audit_unsealed_events', async () => [[{}, (await unsealed()).events]])
  metrics.gauge('keyturn_audit_seal_lag_seconds', async () => [[{}, (await unsealed()).seconds]])

  /** Locks the head; undefined when another node has it. */
  async function lockHead(tenant: string, chain: Chain): Promise<Head | undefined> {
    const first: Head = { position: 0, seal: '' }
    await database.execute(
      `insert into audit_heads (tenant_id, position, seal, sealed_at, mac)
       select $1, 0, '', $2, $3 where not exists (
         select 1 from audit_heads where tenant_id = $1 union all
         select 1 from audit_gaps where tenant_id = $1 union all
         select 1 from audit_events where tenant_id = $1 and position is not null)
       on conflict do nothing`,
      [tenant, new Date(clock.now()), chain.macOfHead(first)],
    )
    const [row] = await database.query<{ position: string; seal: string; mac: string }>(
      `select position::text as position, seal, mac from audit_heads where tenant_id = $1
       for update skip locked`,
      [tenant],
    )
    if (!row) {
      const there = await database.query('select 1 from audit_heads where tenant_id = $1', [tenant])
      if (there.length > 0) return undefined
      throw new Error(`the head of the audit chain of ${tenant} was removed`)
    }
    const head = { position: Number(row.position), seal: row.seal }
    if (!equalInConstantTime(row.mac, chain.macOfHead(head)))
      throw new Error(`the head of the audit chain of ${tenant} was changed; run "audit verify"`)
    const before = seen.get(tenant)?.position ?? 0
    if (head.position < before)
      throw new Error(
        `the audit chain of ${tenant} ended at ${before} and now ends at ${head.position}`,
      )
    return head
  }

  async function sealBatch(tenant: string): Promise<{ sealed: number; head?: Head }> {
    const chain = await chains(tenant)
    return database.transaction(async () => {
      const head = await lockHead(tenant, chain)
      if (!head) return { sealed: 0 }
      const rows = await database.query<SealableRow>(
        `select ${sealableColumns} from audit_events e
         where tenant_id = $1 and position is null and (open_until is null or open_until <= $2)
         order by e.at, e.id limit ${batch}`,
        [tenant, closed()],
      )
      if (rows.length === 0) return { sealed: 0, head }
      let { position, seal } = head
      const places = rows.map((row) => {
        position++
        seal = chain.sealOf(seal, position, row)
        return { id: row['id'] as string, position, seal, detail: row['detail'] ?? null }
      })
      // An event whose count has grown meanwhile is not sealed: this batch is rolled back and the next one seals it.
      const changed = await database.execute(
        `update audit_events e set position = v.position, seal = v.seal
         from unnest($2::text[], $3::bigint[], $4::text[], $5::text[]) as v (id, position, seal, detail)
         where e.tenant_id = $1 and e.id = v.id and e.position is null
           and (e.open_until is null or e.detail::text is not distinct from v.detail)`,
        [
          tenant,
          places.map(({ id }) => id),
          places.map((place) => place.position),
          places.map((place) => place.seal),
          places.map(({ detail }) => detail),
        ],
      )
      const next = { position, seal }
      const moved = await database.execute(
        `update audit_heads set position = $2, seal = $3, sealed_at = $4, mac = $5
         where tenant_id = $1 and position = $6 and seal = $7`,
        [
          tenant,
          position,
          seal,
          new Date(clock.now()),
          chain.macOfHead(next),
          head.position,
          head.seal,
        ],
      )
      if (changed !== rows.length || moved !== 1)
        throw new Error(
          `events of ${tenant} changed while they were being sealed; they are sealed later`,
        )
      for (const listener of listeners) {
        await listener(
          tenant,
          places.map(({ id }) => id),
        )
      }
      return { sealed: rows.length, head: next }
    })
  }

  /** Logs the heads: where logs are kept elsewhere, a restored older database shows by its head. */
  function tellHeads(isLast: boolean): void {
    for (const [tenant, { position, seal }] of seen) {
      const last = told.get(tenant)
      const isDue = last === undefined || isLast || clock.now() - last.at >= toldEvery
      if (position === last?.position || !isDue) continue
      told.set(tenant, { position, at: clock.now() })
      log.info({ tenant, head: `${position}:${seal}` }, 'audit head')
    }
  }

  async function sealTenant(tenant: string): Promise<number> {
    let total = 0
    for (let round = 0; round < mostBatches; round++) {
      const { sealed, head } = await sealBatch(tenant)
      if (head) seen.set(tenant, head)
      total += sealed
      if (sealed < batch) break
    }
    return total
  }

  return {
    async sealEvents(isLast = false) {
      const waiting = await database.query<{ id: string }>(
        `select id from tenants t where exists (select 1 from audit_events e where e.tenant_id = t.id
           and e.position is null and (e.open_until is null or e.open_until <= $1))`,
        [closed()],
      )
      let total = 0
      const errors: unknown[] = []
      for (const { id } of waiting) {
        total += await sealTenant(id).catch((error: unknown) => {
          errors.push(error)
          return 0
        })
      }
      tellHeads(isLast)
      if (errors.length > 0) throw errors[0]
      return total
    },
    onSealed: (work) => void listeners.push(work),
  }
}
