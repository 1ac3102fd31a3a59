import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { createTurns } from '../storage/in-turn.ts'
import {
  beginRotation,
  endRotation,
  loadKeyEncryptionKeys,
  unfinishedRotation,
} from './key-encryption-key.ts'
import { type Envelopes, keyIdOf } from './seal.ts'
import { envelopesByKey, openAll, reseal, type SealedColumn } from './sealed-column.ts'
import type { SealingKeys } from './sealing-keys.ts'

/** Rotation of the key-encryption key. */
export interface KeyRotation extends Pick<SealingKeys, 'check' | 'fault'> {
  /**
   * Reseals everything under the current key. Where this process manages the key file, it first generates a new key, or
   * continues an unfinished rotation.
   * @param wanted id of the key that the caller takes for the current one
   * @throws DomainError `key_encryption_key_invalid`; rows resealed by then stay so, and another call does the rest
   */
  rotate(wanted?: string): Promise<KeyRotated>
  /** Number of envelopes by key id. */
  survey(): Promise<Map<string, number>>
  /**
   * Opens every envelope.
   * @returns their number
   * @throws DomainError `key_encryption_key_invalid` naming the first that does not open
   */
  openAll(): Promise<number>
}

export interface KeyRotated {
  keyId: string
  /** Whether a new key was generated. */
  generated: boolean
  /** Keys that no longer seal anything. */
  retiredKeyIds: string[]
  /** `table.column` → number of resealed rows. */
  resealed: Record<string, number>
}

/** @param keysDir folder of the key file, when this process may replace it: no other process reads it */
export function createKeyRotation({
  database,
  envelopes,
  sealingKeys,
  columns,
  keysDir,
  log,
}: Pick<Platform, 'database' | 'log'> & {
  envelopes: Envelopes
  sealingKeys: SealingKeys
  columns: SealedColumn[]
  keysDir: string | undefined
}): KeyRotation {
  const inTurn = createTurns()

  /** Begins a rotation or continues an unfinished one. @returns whether a new key was generated */
  async function renewFile(folder: string): Promise<boolean> {
    const { current } = await loadKeyEncryptionKeys({ keysDir: folder, create: false })
    if ((await unfinishedRotation(folder, current)).length > 0) {
      // From here on, seal with the key that is already in the file.
      envelopes.adopt(current)
      return false
    }
    if (keyIdOf(current) !== envelopes.keyId) {
      throw new DomainError('key_encryption_key_invalid', {
        detail:
          `The file in ${folder} contains key ${keyIdOf(current)}, but this process seals with key ${envelopes.keyId}. ` +
          'Restore the file that this process was started with.',
      })
    }
    envelopes.adopt(await beginRotation(folder, current))
    log.info({ key_id: envelopes.keyId }, 'now sealing with a new key-encryption key')
    return true
  }

  async function rotate(wanted: string | undefined): Promise<KeyRotated> {
    if (wanted !== undefined && wanted !== envelopes.keyId) {
      throw new DomainError('key_encryption_key_invalid', {
        detail:
          `KEY_ENCRYPTION_KEY of this command is key ${wanted}, but the running server seals with key ${envelopes.keyId}. ` +
          'First restart the server with the new key, and with the old one in KEY_ENCRYPTION_KEY_PREVIOUS.',
      })
    }
    const generated = keysDir !== undefined && (await renewFile(keysDir))
    // From here on nothing new is sealed under another key, so the resealing is complete when it ends.
    await sealingKeys.retireOthers()
    const resealed = await reseal(database, envelopes, columns)
    if (keysDir !== undefined) await endRotation(keysDir)
    log.info(
      { key_id: envelopes.keyId, resealed },
      'all secrets are sealed under the current key-encryption key',
    )
    return { keyId: envelopes.keyId, generated, resealed, retiredKeyIds: envelopes.previousKeyIds }
  }

  return {
    rotate: (wanted) => inTurn(() => rotate(wanted)),
    check: sealingKeys.check,
    fault: sealingKeys.fault,
    survey: () => envelopesByKey(database, columns),
    openAll: () => openAll(database, envelopes, columns),
  }
}
