import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '../errors.ts'

/**
 * The key-encryption key: from the configuration, else from `keys/key-encryption-key`, which the first start of an
 * embedded installation creates (mode 0600).
 * @param create whether a missing file may be created: only where no secret was sealed yet
 * @returns 32 bytes
 * @throws DomainError `key_encryption_key_invalid` when it is missing or is not 32 bytes in base64
 */
export async function loadKeyEncryptionKey({
  configured,
  keysDir,
  create,
}: {
  configured?: Buffer | undefined
  keysDir: string
  create: boolean
}): Promise<Buffer> {
  if (configured) return configured
  const path = join(keysDir, 'key-encryption-key')
  const found = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw invalid(`${path} cannot be read: ${error.message}`)
  })
  if (found !== undefined) return decode(found, path)
  if (!create) {
    throw invalid(
      `there is none: set KEY_ENCRYPTION_KEY or KEY_ENCRYPTION_KEY_FILE to 32 bytes in base64 (openssl rand -base64 32), ` +
        `or put back ${path}; what is stored cannot be read without the key it was sealed with`,
    )
  }
  await mkdir(keysDir, { recursive: true, mode: 0o700 })
  const key = randomBytes(32)
  await createDurably(keysDir, path, `${key.toString('base64')}\n`)
  return key
}

/** All of it or nothing, also when the machine stops now: what will be sealed can be read with this file alone. */
async function createDurably(folder: string, path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  const entries = await open(folder)
  try {
    await entries.sync()
  } finally {
    await entries.close()
  }
}

function decode(text: string, path: string): Buffer {
  const key = Buffer.from(text.trim(), 'base64')
  if (key.length !== 32) {
    throw invalid(`${path} must hold 32 bytes in base64, it holds ${key.length}`)
  }
  return key
}

function invalid(detail: string): DomainError {
  return new DomainError('key_encryption_key_invalid', { detail: `Key-encryption key: ${detail}` })
}
