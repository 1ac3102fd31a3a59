import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DomainError } from '../errors.ts'
import type { KeyEncryptionKeys } from './seal.ts'

/** Where key-encryption keys come from. */
export interface KeySources {
  /** From the configuration. */
  configured?: Buffer | undefined
  previous?: readonly Buffer[] | undefined
  /** The folder of the key files, used when nothing is configured. */
  keysDir: string
}

const pathIn = (keysDir: string) => join(keysDir, 'key-encryption-key')
/** The previous keys, one per line, during a rotation. */
const previousIn = (keysDir: string) => `${pathIn(keysDir)}.previous`

/**
 * The key-encryption keys: from the configuration, else from `keys/key-encryption-key`, which the first start of an
 * embedded installation creates (mode 0600).
 * @param create whether a missing file may be created: only where no secret was sealed yet
 * @throws DomainError `key_encryption_key_invalid` when it is missing, is not 32 bytes in base64, or is given twice
 */
export async function loadKeyEncryptionKeys({
  configured,
  previous = [],
  keysDir,
  create,
}: KeySources & { create: boolean }): Promise<KeyEncryptionKeys> {
  const current = configured ?? (await readOrCreate(keysDir, create))
  if (previous.some((key) => key.equals(current))) {
    throw invalid(
      'KEY_ENCRYPTION_KEY_PREVIOUS also contains the current key; a rotation needs a new one (openssl rand -base64 32)',
    )
  }
  const unfinished = configured ? [] : await unfinishedRotation(keysDir, current)
  return { current, previous: [...previous, ...unfinished] }
}

/** The previous keys of an unfinished rotation: some rows may still be sealed under them. */
export async function unfinishedRotation(keysDir: string, current: Buffer): Promise<Buffer[]> {
  const path = previousIn(keysDir)
  const lines = (await read(path))?.trim().split('\n') ?? []
  // A rotation interrupted at its first step has written the old key but no new one.
  return lines.map((line) => decode(line, path, restore)).filter((key) => !key.equals(current))
}

/**
 * Makes a new key the current one. At every moment the files hold each key under which something may be sealed:
 *
 * | after | key-encryption-key | key-encryption-key.previous |
 * |---|---|---|
 * | – | old | – |
 * | the first file | old | old |
 * | the second file | new | old |
 * | `endRotation` | new | – |
 */
export async function beginRotation(keysDir: string, old: Buffer): Promise<Buffer> {
  const current = randomBytes(32)
  await writeDurably(keysDir, previousIn(keysDir), `${old.toString('base64')}\n`)
  await writeDurably(keysDir, pathIn(keysDir), `${current.toString('base64')}\n`)
  return current
}

/** Deletes the previous keys, once nothing is sealed under them. */
export async function endRotation(keysDir: string): Promise<void> {
  await rm(previousIn(keysDir), { force: true })
  await syncFolder(keysDir)
}

async function readOrCreate(keysDir: string, create: boolean): Promise<Buffer> {
  const path = pathIn(keysDir)
  const found = await read(path)
  if (found !== undefined) return decode(found, path, create ? beginAgain : restore)
  if (!create) {
    throw invalid(
      `no key found: set KEY_ENCRYPTION_KEY or KEY_ENCRYPTION_KEY_FILE to 32 bytes in base64 (openssl rand -base64 32), ` +
        `or restore ${path} from your copy; stored secrets cannot be read without the key that sealed them`,
    )
  }
  const key = randomBytes(32)
  try {
    await mkdir(keysDir, { recursive: true, mode: 0o700 })
    await writeDurably(keysDir, path, `${key.toString('base64')}\n`)
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw invalid(
      `${path} cannot be created (${code ?? message}). Set KEYS_DIR to a folder that this user can write to.`,
    )
  }
  return key
}

/** Advice about an unusable key file: when secrets are sealed already, and when there are none yet. */
const restore =
  'Restore the file from your copy: stored secrets cannot be read without it. Nothing was changed.'
const beginAgain = 'Nothing is sealed yet: delete the file, and the next start creates a new one.'

async function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    const advice =
      code === 'EACCES' ? 'It belongs to another user: run as the owner of the file.' : restore
    throw invalid(`${path} cannot be read (${code ?? message}). ${advice}`)
  })
}

/** The key files that others than their owner can access, with their modes. */
export async function openToOthers(keysDir: string): Promise<{ path: string; mode: string }[]> {
  const found: { path: string; mode: string }[] = []
  for (const path of [pathIn(keysDir), previousIn(keysDir)]) {
    const mode = (await stat(path).catch(() => undefined))?.mode ?? 0
    if ((mode & 0o077) !== 0) found.push({ path, mode: (mode & 0o777).toString(8) })
  }
  return found
}

/**
 * Writes a file atomically and durably, even if the machine stops: what is sealed from now on can only be opened with
 * this file.
 */
async function writeDurably(folder: string, path: string, text: string): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
  await syncFolder(folder)
}

async function syncFolder(folder: string): Promise<void> {
  const entries = await open(folder)
  try {
    await entries.sync()
  } finally {
    await entries.close()
  }
}

/** Decodes a key strictly. Node would also accept text that only begins like base64. */
function decode(text: string, path: string, advice: string): Buffer {
  const encoded = text.trim()
  const key = Buffer.from(encoded, 'base64')
  const isCanonical = key.toString('base64') === encoded
  if (key.length === 32 && isCanonical) return key
  throw invalid(
    `${path} must contain 32 bytes in base64 and nothing else (openssl rand -base64 32); it ${contentOf(encoded, isCanonical ? key : undefined)}. ${advice}`,
  )
}

/** Describes the content of a key file without revealing any of it. */
function contentOf(encoded: string, key: Buffer | undefined): string {
  if (encoded === '') return 'is empty'
  if (key) return `contains ${key.length} bytes`
  const lines = encoded.split('\n').length
  return lines > 1
    ? `contains ${lines} lines`
    : `contains ${encoded.length} characters that are not valid base64`
}

function invalid(detail: string): DomainError {
  return new DomainError('key_encryption_key_invalid', { detail: `Key-encryption key: ${detail}` })
}
