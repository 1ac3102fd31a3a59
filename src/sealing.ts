import type { Config } from '../config/config.ts'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'
import { sealedColumns } from './sealed-columns.ts'
import { loadKeyEncryptionKeys, openToOthers } from './secrets/key-encryption-key.ts'
import { createKeyRotation } from './secrets/key-rotation.ts'
import { createEnvelopes, createSealer } from './secrets/seal.ts'
import { assertKeysOpen } from './secrets/sealed-column.ts'
import { createSealingKeys } from './secrets/sealing-keys.ts'
import { createSharedSecrets, macKeyOf } from './secrets/shared-secrets.ts'
import type { Storage } from './storage/storage.ts'
import { defaultTenant } from './tenants/tenant.ts'

/**
 * The keys that seal secrets at rest (architecture §5).
 * @param create whether a first start may create them
 * @throws DomainError `key_encryption_key_invalid`
 */
export function keyEncryptionKeys(config: Config, create: boolean) {
  const { keyEncryptionKey: configured, keyEncryptionKeyPrevious: previous, keysDir } = config
  return loadKeyEncryptionKeys({ configured, previous, keysDir, create })
}

async function warnOfOpenKeys({ keyEncryptionKey, keysDir }: Config, log: Log): Promise<void> {
  if (keyEncryptionKey !== undefined) return
  for (const { path, mode } of await openToOthers(keysDir)) {
    log.warn(
      { path, mode, expected: '600' },
      'other users can access the key-encryption key: restrict the mode of its file',
    )
  }
}

/**
 * Opens sealing, and ensures that every key that has sealed something is present.
 * @throws DomainError `key_encryption_key_invalid`
 */
export async function openSealing(
  { config, log, clock }: { config: Config; log: Log; clock: Clock },
  { database, selfContained }: Storage,
) {
  const hasSecrets = (await database.query('select 1 from shared_secrets limit 1')).length > 0
  const keys = await keyEncryptionKeys(config, selfContained && !hasSecrets)
  await warnOfOpenKeys(config, log)
  const envelopes = createEnvelopes(keys)
  await assertKeysOpen(database, envelopes, sealedColumns)
  const sealingKeys = createSealingKeys({ database, envelopes, clock, log })
  const sealing = { database, seals: sealingKeys, clock }
  const macKey = await macKeyOf(sealing, keys, defaultTenant)
  const sealer = createSealer(envelopes, sealingKeys, macKey)
  const ownsKeyFile = selfContained && config.keyEncryptionKey === undefined
  const keyRotation = createKeyRotation({
    database,
    envelopes,
    sealingKeys,
    log,
    columns: sealedColumns,
    keysDir: ownsKeyFile ? config.keysDir : undefined,
  })
  return { sealer, sealingKeys, sharedSecrets: createSharedSecrets(sealing), keyRotation }
}
