import type { JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Database } from '../storage/database.ts'
import { inBatches, mySweep, sweepBatch, sweepTable } from '../storage/sweep.ts'
import { column, nullable, ofTenant, table } from '../storage/table.ts'
import type { HeldKey } from './signer.ts'
import type { SigningAlg, SigningKey } from './signing-key.ts'

export const SigningKeysTable = table('signing_keys', {
  key: ['tenant_id', 'kid'],
  columns: {
    tenant_id: column.text,
    kid: column.text,
    alg: column.text,
    public_jwk: column.json,
    private_jwk: nullable(column.text),
    created_at: column.time,
    publish_at: column.time,
    activate_at: column.time,
    retire_at: nullable(column.time),
    remove_at: nullable(column.time),
    revoked_at: nullable(column.time),
    changed_at: column.time,
  },
  references: { tenant: ofTenant },
  index: {
    // At most one key of an algorithm has no end, so that each gets only one successor.
    last: { columns: ['tenant_id', 'alg'], unique: true, where: 'retire_at is null' },
    changed: ['changed_at'],
  },
  check: ['order'],
})

export const signingKeysChannel = 'keyturn_signing_keys'

/**
 * A JSON object: tenants whose keys changed after `$1`, and the last change of each in milliseconds since the epoch.
 */
export const changedKeys = `select json_object_agg(tenant_id, round(extract(epoch from at) * 1000))::text from (
  select tenant_id, max(changed_at) as at from signing_keys where changed_at > $1 group by tenant_id) k`

export interface StoredSigningKey extends SigningKey {
  /** The private key as the signer keeps it; empty once it was destroyed. */
  sealed: string
  /** When the row changed last, in milliseconds; every change of a tenant's keys gets a later time. */
  changedAt: number
}

/** The public part of a stored key. */
export function described({
  sealed: _sealed,
  changedAt: _changedAt,
  ...key
}: StoredSigningKey): SigningKey {
  return key
}

interface Row {
  kid: string
  alg: string
  public_jwk: JWK
  private_jwk: string | null
  publish_at: Date
  activate_at: Date
  retire_at: Date | null
  remove_at: Date | null
  revoked_at: Date | null
  changed_at: Date
}

const columns =
  'kid, alg, public_jwk, private_jwk, publish_at, activate_at, retire_at, remove_at, revoked_at, changed_at'

/** The private key is in a token, to which the row refers (RFC 7512). */
const isHeld = "coalesce(private_jwk like 'pkcs11:%', false)"

/** Days that `keys list` shows keys that are over. */
const keptDays = 90

/** A time after every earlier change, even if clocks of nodes differ. `$1` is the tenant, `$2` now. */
const later = `greatest($2::timestamptz, (select max(changed_at) + interval '1 ms' from signing_keys where tenant_id = $1))`

export function createSigningKeyStore({ database, clock }: { database: Database; clock: Clock }) {
  const time = (at: number) => new Date(at)

  /** @param where SQL; `$1` is now */
  async function holdings(where: string): Promise<HeldKey[]> {
    const rows = await database.query<{ tenant_id: string; kid: string; private_jwk: string }>(
      `select tenant_id, kid, private_jwk from signing_keys where ${isHeld} and ${where}`,
      [time(clock.now())],
    )
    return rows.map(({ tenant_id: tenant, kid, private_jwk: sealed }) => ({ tenant, kid, sealed }))
  }

  return {
    /** @param through the connection to read with */
    async list(
      tenant: string,
      through: Pick<Database, 'query'> = database,
    ): Promise<StoredSigningKey[]> {
      const rows = await through.query<Row>(
        `select ${columns} from signing_keys where tenant_id = $1 order by activate_at, kid`,
        [tenant],
      )
      return rows.map(toKey)
    },

    /** Keys without a successor that were active by a time, of all tenants. */
    async withoutEnd(activeSince: number) {
      const rows = await database.query<{
        tenant_id: string
        kid: string
        alg: string
        activate_at: Date
      }>(
        `select tenant_id, kid, alg, activate_at from signing_keys where retire_at is null and activate_at <= $1`,
        [time(activeSince)],
      )
      return rows.map(({ tenant_id: tenant, kid, alg, activate_at }) => ({
        tenant,
        kid,
        alg: alg as SigningAlg,
        activateAt: activate_at.getTime(),
      }))
    },

    /**
     * Lets only one node at a time change the keys of a tenant, until the transaction ends; its commit notifies all
     * nodes.
     */
    async lock(tenant: string): Promise<void> {
      await database.query(
        `select pg_advisory_xact_lock(hashtextextended($1, 0)), pg_notify($2, '')`,
        [`keyturn signing keys ${tenant}`, signingKeysChannel],
      )
    },

    async insert(tenant: string, key: Omit<StoredSigningKey, 'changedAt'>): Promise<void> {
      await database.execute(
        `insert into signing_keys (tenant_id, created_at, changed_at, kid, alg, public_jwk, private_jwk, publish_at, activate_at)
         values ($1, $2, ${later}, $3, $4, $5, $6, $7, $8)`,
        [
          tenant,
          time(clock.now()),
          key.kid,
          key.alg,
          JSON.stringify(key.publicJwk),
          key.sealed,
          time(key.publishAt),
          time(key.activateAt),
        ],
      )
    },

    /** Sets times of a key; `null` removes one. */
    async setTimes(
      tenant: string,
      kid: string,
      times: { activateAt?: number; retireAt?: number | null; removeAt?: number | null },
    ): Promise<void> {
      const entries = Object.entries({
        activate_at: times.activateAt,
        retire_at: times.retireAt,
        remove_at: times.removeAt,
      }).filter(([, at]) => at !== undefined)
      await database.execute(
        `update signing_keys set ${entries.map(([name], i) => `${name} = $${i + 4}`).join(', ')}, changed_at = ${later}
         where tenant_id = $1 and kid = $3`,
        [
          tenant,
          time(clock.now()),
          kid,
          ...entries.map(([, at]) => (typeof at === 'number' ? time(at) : null)),
        ],
      )
    },

    async sweep(): Promise<number> {
      const now = clock.now()
      const wiped = await inBatches(
        database,
        `update signing_keys set private_jwk = null where (tenant_id, kid) in (
           select tenant_id, kid from signing_keys
           where ${mySweep} and private_jwk is not null and not ${isHeld} and remove_at <= $1
           limit ${sweepBatch} for update skip locked)`,
        [time(now)],
      )
      const before = now - keptDays * 24 * 3600 * 1000
      const isOver = 'remove_at <= $1 and private_jwk is null'
      return wiped + (await sweepTable(database, SigningKeysTable, isOver, before))
    },

    /** Keys outside of the database that sign, or will. */
    held: (): Promise<HeldKey[]> =>
      holdings('revoked_at is null and (retire_at is null or retire_at > $1)'),

    /** Keys outside of the database that are over, but may still exist there. */
    heldInVain: (): Promise<HeldKey[]> => holdings(`remove_at <= $1 limit ${sweepBatch}`),

    /** Records that the private key was destroyed. */
    async forget({ tenant, kid, sealed }: HeldKey): Promise<void> {
      await database.execute(
        'update signing_keys set private_jwk = null where tenant_id = $1 and kid = $2 and private_jwk = $3',
        [tenant, kid, sealed],
      )
    },

    /**
     * Revokes a key at once and deletes its sealed private key; one outside of the database must still be destroyed
     * there.
     */
    async revoke(tenant: string, kid: string): Promise<void> {
      await database.execute(
        `update signing_keys set revoked_at = $2, retire_at = least(retire_at, $2), remove_at = $2,
           private_jwk = case when ${isHeld} then private_jwk end, changed_at = ${later}
         where tenant_id = $1 and kid = $3`,
        [tenant, time(clock.now()), kid],
      )
    },
  }
}

function toKey(row: Row): StoredSigningKey {
  return {
    kid: row.kid,
    alg: row.alg as SigningAlg,
    publicJwk: row.public_jwk,
    sealed: row.private_jwk ?? '',
    changedAt: row.changed_at.getTime(),
    publishAt: row.publish_at.getTime(),
    activateAt: row.activate_at.getTime(),
    ...(row.retire_at ? { retireAt: row.retire_at.getTime() } : {}),
    ...(row.remove_at ? { removeAt: row.remove_at.getTime() } : {}),
    ...(row.revoked_at ? { revokedAt: row.revoked_at.getTime() } : {}),
  }
}
