import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { column, ofTenant, table } from '../storage/table.ts'
import type { Sealer } from './seal.ts'

/** Secrets that every node of a tenant needs alike; created once, by whichever node comes first. */
export type SharedSecretName = 'cookies' | 'csrf' | 'dpop'

export interface SharedSecrets {
  /** The secret, 32 bytes. All nodes get the same one, also when they ask at the same moment. */
  get(tenant: string, name: SharedSecretName): Promise<Buffer>
}

export const SharedSecretsTable = table('shared_secrets', {
  key: ['tenant_id', 'name'],
  columns: {
    tenant_id: column.text,
    name: column.text,
    sealed: column.text,
    created_at: column.time,
  },
  references: { tenant: ofTenant },
})

export function createSharedSecrets({
  database,
  sealer,
  clock,
}: {
  database: Database
  sealer: Sealer
  clock: Clock
}): SharedSecrets {
  async function find(tenant: string, name: string): Promise<string | undefined> {
    const [row] = await database.query<{ sealed: string }>(
      `select sealed from shared_secrets where tenant_id = $1 and name = $2`,
      [tenant, name],
    )
    return row?.sealed
  }

  return {
    async get(tenant, name) {
      const purpose = `shared-secret:${tenant}:${name}`
      let sealed = await find(tenant, name)
      if (sealed === undefined) {
        const fresh = sealer.seal(purpose, randomBytes(32).toString('base64'))
        await database.execute(
          `insert into shared_secrets (tenant_id, name, sealed, created_at) values ($1, $2, $3, $4)
           on conflict do nothing`,
          [tenant, name, fresh, new Date(clock.now())],
        )
        sealed = (await find(tenant, name)) as string
      }
      return Buffer.from(sealer.open(purpose, sealed), 'base64')
    },
  }
}
