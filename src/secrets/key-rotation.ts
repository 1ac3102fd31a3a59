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
   * Seals everything under the current key. Where this process keeps the key in a file of its own, a new key is made
   * first, unless an earlier rotation has not ended: then that one goes on.
   * @param wanted the key that the caller takes for the current one, by its id
   * @throws DomainError `key_encryption_key_invalid`; whatever was done by then stays, and a repetition does the rest
   */
  rotate(wanted?: string): Promise<KeyRotated>
  /** How many envelopes each key has sealed. */
  survey(): Promise<Map<string, number>>
  /**
   * Opens every envelope.
   * @returns how many there are
   * @throws DomainError `key_encryption_key_invalid` naming the first that does not open
   */
  openAll(): Promise<number>
}

export interface KeyRotated {
  keyId: string
  /** Whether the key was made now. */
  generated: boolean
  /** Keys that seal nothing any more. */
  retiredKeyIds: string[]
  /** `table.column` → rows that were sealed anew. */
  resealed: Record<string, number>
}

/** @param keysDir of the key file, when this process may replace it: nobody else reads it */
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

  /** @returns whether a new key was made */
  async function renewFile(folder: string): Promise<boolean> {
    const { current } = await loadKeyEncryptionKeys({ keysDir: folder, create: false })
    if ((await unfinishedRotation(folder, current)).length > 0) {
      // What is sealed from here on must open with the file that stays.
      envelopes.adopt(current)
      return false
    }
    if (keyIdOf(current) !== envelopes.keyId) {
      throw new DomainError('key_encryption_key_invalid', {
        detail:
          `The file in ${folder} holds key ${keyIdOf(current)}, but this process seals with key ${envelopes.keyId}. ` +
          'Put back the file that it was started with.',
      })
    }
    envelopes.adopt(await beginRotation(folder, current))
    log.info({ key_id: envelopes.keyId }, 'a new key-encryption key seals')
    return true
  }

  async function rotate(wanted: string | undefined): Promise<KeyRotated> {
    if (wanted !== undefined && wanted !== envelopes.keyId) {
      throw new DomainError('key_encryption_key_invalid', {
        detail:
          `KEY_ENCRYPTION_KEY of this command is key ${wanted}, the running server seals with key ${envelopes.keyId}. ` +
          'Restart the server with the new key first, and the old one in KEY_ENCRYPTION_KEY_PREVIOUS.',
      })
    }
    const generated = keysDir !== undefined && (await renewFile(keysDir))
    // From here on nothing comes that is sealed under another: what is sealed anew is all there is.
    await sealingKeys.retireOthers()
    const resealed = await reseal(database, envelopes, columns)
    if (keysDir !== undefined) await endRotation(keysDir)
    log.info({ key_id: envelopes.keyId, resealed }, 'everything is sealed under the current key')
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
