import { z } from 'zod'
import { loadConfig } from '../../config/load.ts'
import { keyIdOf } from '../secrets/seal.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Command } from './command.ts'

const input = z.strictObject({ key_id: z.string().optional() })

interface RotationOutput {
  key_id: string
  generated: boolean
  retired_key_ids: string[]
  /** `table.column` → rows. */
  resealed: Record<string, number>
}

/** `keys rotate-kek`: `{ key_id, generated, retired_key_ids, resealed: { <table.column>: <rows> } }`. */
export const keysRotateKek: Command<z.infer<typeof input>, RotationOutput> = {
  input,
  prepare(_args, { env }) {
    const { keyEncryptionKey: key } = loadConfig(env)
    return key === undefined ? {} : { key_id: keyIdOf(key) }
  },
  async execute({ keyRotation, audit }, { key_id: wanted }) {
    const { keyId, generated, retiredKeyIds, resealed } = await keyRotation.rotate(wanted)
    const detail = { key_id: keyId, generated, retired_key_ids: retiredKeyIds, resealed }
    if (generated || rowsIn(resealed) > 0) {
      await audit.record(defaultTenant, { type: 'key_encryption_key.rotated', detail })
    }
    return detail
  },
  render({ key_id: keyId, generated, retired_key_ids: retired, resealed }) {
    const rows = rowsIn(resealed)
    const made = generated ? 'A new key-encryption key was created. ' : ''
    const first = `${made}Everything is sealed under key ${keyId} (${rows} re-sealed).`
    if (generated || (retired.length === 0 && rows > 0)) return `${first} ${copies}`
    return retired.length === 0
      ? `${first} To rotate, give every process a new key first: docs/key-encryption-key.md.`
      : `${first} Remove ${retired.join(', ')} from KEY_ENCRYPTION_KEY_PREVIOUS now. ${copies}`
  },
}

const rowsIn = (resealed: Record<string, number>) =>
  Object.values(resealed).reduce((sum, count) => sum + count, 0)

const copies =
  'Copy the new key to where you keep the old one; earlier backups can be read only with the old one.'
