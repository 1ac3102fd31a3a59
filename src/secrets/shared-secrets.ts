import { randomBytes } from 'node:crypto'
import type { Platform } from '../platform.ts'
import { column, ofTenant, table } from '../storage/table.ts'
import { inheritedMacKey, type KeyEncryptionKeys, type Seals } from './seal.ts'
import type { SealedColumn } from './sealed-column.ts'

/** Secrets that all nodes share, per tenant; created by the first node that needs one. */
export type SharedSecretName =
  | 'audit'
  | 'cookies'
  | 'csrf'
  | 'dpop'
  | 'encryption'
  | 'mac'
  | 'pairwise'

export interface SharedSecrets {
  /** The secret, 32 bytes. All nodes get the same one, even when they ask at the same moment. */
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

const purpose = (tenant: string, name: string) => `shared-secret:${tenant}:${name}`

export const sealedSharedSecrets: SealedColumn = {
  table: 'shared_secrets',
  key: ['tenant_id', 'name'],
  column: 'sealed',
  purpose,
}

interface Dependencies extends Pick<Platform, 'database' | 'clock'> {
  seals: Seals
}

/** Returns the stored secret, or creates it. Of concurrent callers the first insert wins, and all get its value. */
async function settled(
  { database, seals, clock }: Dependencies,
  tenant: string,
  name: SharedSecretName,
  initial: () => Buffer | Promise<Buffer>,
): Promise<Buffer> {
  const find = async () => {
    const [row] = await database.query<{ sealed: string }>(
      `select sealed from shared_secrets where tenant_id = $1 and name = $2`,
      [tenant, name],
    )
    return row?.sealed
  }
  let sealed = await find()
  if (sealed === undefined) {
    const plain = (await initial()).toString('base64')
    await database.transaction(async () => {
      const fresh = await seals.seal(purpose(tenant, name), plain)
      await database.execute(
        `insert into shared_secrets (tenant_id, name, sealed, created_at) values ($1, $2, $3, $4)
         on conflict do nothing`,
        [tenant, name, fresh, new Date(clock.now())],
      )
    })
    sealed = (await find()) as string
  }
  return Buffer.from(seals.open(purpose(tenant, name), sealed), 'base64')
}

export function createSharedSecrets(deps: Dependencies): SharedSecrets {
  return { get: (tenant, name) => settled(deps, tenant, name, () => randomBytes(32)) }
}

/**
 * The key of `Sealer.mac`: stored like other shared secrets, so that it outlives the key-encryption key. It is the
 * first secret of an installation. If others exist before it, they were sealed by a version that derived this key from
 * their key-encryption key; then that derived key is kept.
 * @param tenant which stores it: there is one for the whole installation
 */
export function macKeyOf(
  deps: Dependencies,
  keys: KeyEncryptionKeys,
  tenant: string,
): Promise<Buffer> {
  return settled(deps, tenant, 'mac', async () => {
    const [other] = await deps.database.query<{ sealed: string }>(
      'select sealed from shared_secrets limit 1',
    )
    return other ? inheritedMacKey(keys, other.sealed) : randomBytes(32)
  })
}
