import type { Client } from '../clients/client.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { judgeStored } from '../oidc/stored-client.ts'
import type { Finding } from './check.ts'

/** Rows per statement, held in memory together. */
const pageSize = 500
/** Most clients to list by name. */
const mostNamed = 5

type Row = Pick<Client, 'metadata'> & { tenant_id: string; client_id: string }

/** Validates every stored client, including disabled ones, as a request does. */
export async function examineClients({ database, config }: Capabilities): Promise<Finding> {
  const named: string[] = []
  let count = 0
  let unsound = 0
  let last = { tenant_id: '', client_id: '' }
  for (;;) {
    const rows = await database.query<Row>(
      `select tenant_id, client_id, metadata from clients where (tenant_id, client_id) > ($1, $2)
       order by tenant_id, client_id limit $3`,
      [last.tenant_id, last.client_id, pageSize],
    )
    for (const { tenant_id: tenant, client_id: clientId, metadata } of rows) {
      const { faults } = judgeStored(config, { tenant, clientId, metadata, secrets: [] })
      if (!faults) continue
      unsound++
      if (named.length < mostNamed) named.push(`${clientId} (tenant ${tenant}): ${faults[0]}`)
    }
    count += rows.length
    last = rows.at(-1) ?? last
    if (rows.length < pageSize) break
  }
  if (unsound === 0) return { status: 'ok', message: `Every stored client (${count}) is valid.` }
  const others = unsound > named.length ? [`and ${unsound - named.length} more`] : []
  return {
    status: 'fail',
    message: `Some stored clients are not valid, and all their requests are refused: ${[...named, ...others].join('; ')}.`,
    fix: 'declare each again with valid values, or delete it.',
  }
}
