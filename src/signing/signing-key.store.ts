import type { JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { SigningAlg, SigningKey } from './signing-key.ts'

export const SigningKeysTable = table('signing_keys', {
  key: ['tenant_id', 'kid'],
  columns: {
    tenant_id: column.text,
    kid: column.text,
    alg: column.text,
    public_jwk: column.json,
    private_jwk: column.text,
    created_at: column.time,
    publish_at: column.time,
    activate_at: column.time,
    retire_at: nullable(column.time),
    remove_at: nullable(column.time),
  },
  references: { tenant: ofTenant },
})

export interface StoredSigningKey extends SigningKey {
  /** The private JWK in its envelope. */
  sealed: string
}

interface Row {
  kid: string
  alg: string
  public_jwk: JWK
  private_jwk: string
  publish_at: Date
  activate_at: Date
  retire_at: Date | null
  remove_at: Date | null
}

export function createSigningKeyStore({ database, clock }: { database: Database; clock: Clock }) {
  return {
    async list(tenant: string): Promise<StoredSigningKey[]> {
      const rows = await database.query<Row>(
        `select kid, alg, public_jwk, private_jwk, publish_at, activate_at, retire_at, remove_at
         from signing_keys where tenant_id = $1 order by activate_at, kid`,
        [tenant],
      )
      return rows.map((row) => ({
        kid: row.kid,
        alg: row.alg as SigningAlg,
        publicJwk: row.public_jwk,
        sealed: row.private_jwk,
        publishAt: row.publish_at.getTime(),
        activateAt: row.activate_at.getTime(),
        ...(row.retire_at ? { retireAt: row.retire_at.getTime() } : {}),
        ...(row.remove_at ? { removeAt: row.remove_at.getTime() } : {}),
      }))
    },

    /** One node at a time changes the keys of a tenant; held until the transaction ends. */
    async lock(tenant: string): Promise<void> {
      await database.query(`select pg_advisory_xact_lock(hashtextextended($1, 0))`, [
        `keyturn signing keys ${tenant}`,
      ])
    },

    async insert(tenant: string, key: StoredSigningKey): Promise<void> {
      await database.execute(
        `insert into signing_keys (tenant_id, kid, alg, public_jwk, private_jwk, created_at, publish_at, activate_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [
          tenant,
          key.kid,
          key.alg,
          JSON.stringify(key.publicJwk),
          key.sealed,
          new Date(clock.now()),
          new Date(key.publishAt),
          new Date(key.activateAt),
        ],
      )
    },
  }
}
