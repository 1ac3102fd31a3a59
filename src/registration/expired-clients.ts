import type { Audit } from '../audit/audit.ts'
import type { Revocations } from '../revocation/revocation.ts'
import type { Database } from '../storage/database.ts'
import { sweepBatch } from '../storage/sweep.ts'
import type { createRegisteredClientStore } from './registered-clients.ts'

const mostBatches = 40
/** Clients with families that one round deletes: each takes up to two seconds. */
const mostWithFamilies = 20

/**
 * Deletes clients that were unused for as long as the policy says, with everything that hangs from them. What is left
 * is for the next round.
 * @returns how many
 */
export async function deleteExpiredClients({
  database,
  registered,
  revocations,
  audit,
}: {
  database: Database
  registered: ReturnType<typeof createRegisteredClientStore>
  revocations: Revocations
  audit: Audit
}): Promise<number> {
  let total = 0
  for (let round = 0; round < mostBatches; round++) {
    const gone = await database.transaction(async () => {
      const rows = await registered.deleteUnused(sweepBatch)
      for (const tenant of new Set(rows.map((row) => row.tenant_id))) {
        const own = rows.filter((row) => row.tenant_id === tenant)
        await audit.record(
          tenant,
          ...own.map((row) => ({ type: 'client.expired' as const, clientId: row.client_id })),
        )
      }
      return rows.length
    })
    total += gone
    if (gone < sweepBatch) break
  }
  for (let round = 0; round < mostWithFamilies; round++) {
    const expired = await registered.nextExpired()
    if (!expired) break
    const { tenant_id: tenant, client_id: clientId } = expired
    await revocations.deleteClient(tenant, clientId, { by: 'retention' })
    await audit.record(tenant, { type: 'client.expired', clientId })
    total++
  }
  return total
}
