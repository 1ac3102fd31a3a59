import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Fault } from '../faults.ts'

/** What references resolve against. */
export interface SecretSources {
  env: NodeJS.ProcessEnv
  /** Relative files start here: the folder of the document. */
  folder: string
}

const form = 'expected a string, { env: NAME } or { file: path }'

/**
 * Replaces `{ env: NAME }` and `{ file: path }` by their values, so that documents can be stored without secrets. One
 * final line break of a file is not part of the secret.
 * @param holder the object whose member it is; the member is removed when it cannot be resolved
 */
export async function resolveSecret(
  holder: Record<string, unknown>,
  member: string,
  path: PropertyKey[],
  sources: SecretSources,
): Promise<Fault[]> {
  const reference = holder[member]
  if (reference === undefined || typeof reference === 'string') return []
  const secret = await follow(reference, sources)
  if ('value' in secret) {
    holder[member] = secret.value
    return []
  }
  delete holder[member]
  return [{ path: [...path, member], message: secret.fault }]
}

type Followed = { value: string } | { fault: string }

async function follow(reference: unknown, { env, folder }: SecretSources): Promise<Followed> {
  const entries = typeof reference === 'object' && reference ? Object.entries(reference) : []
  const [kind, name] = entries[0] ?? []
  if (entries.length !== 1 || typeof name !== 'string' || name === '') {
    return { fault: `${form}, got another form` }
  }
  if (kind === 'env') {
    const value = env[name]
    return value
      ? { value }
      : { fault: `expected the environment variable ${name} to be set, it is not` }
  }
  if (kind !== 'file') return { fault: `${form}, got { ${kind} }` }
  const file = resolve(folder, name)
  try {
    const value = (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
    return value ? { value } : { fault: `expected a file with a value, ${file} is empty` }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { fault: `expected a readable file, got ${file} (${code ?? 'unreadable'})` }
  }
}
