import { execFileSync } from 'node:child_process'
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

const DEBIAN = '/usr/lib/postgresql'

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The path of the first of these programs found in `PATH`. */
export function findProgram(...names: readonly string[]): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(executable)
}

function debianFolders(): string[] {
  try {
    return readdirSync(DEBIAN)
      .toSorted((a, b) => Number(b) - Number(a))
      .map((version) => join(DEBIAN, version, 'bin'))
  } catch {
    return []
  }
}

/**
 * The folder that holds `postgres` and `initdb` together: behind the links of `PATH`, otherwise the
 * newest that Debian installed. A lone copy of `postgres` cannot find its own files.
 */
export function findPostgres(): string | undefined {
  const onPath = findProgram('postgres')
  return [
    ...(onPath === undefined ? [] : [dirname(realpathSync(onPath))]),
    ...debianFolders(),
  ].find((folder) => executable(join(folder, 'postgres')) && executable(join(folder, 'initdb')))
}

/** The user to run Postgres as when the tests run as root, which it refuses; otherwise `undefined`. */
export function unprivilegedUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (flag: string, user: string): number =>
    Number(execFileSync('id', [flag, user], { stdio: ['ignore', 'pipe', 'ignore'] }))
  for (const user of ['postgres', 'nobody']) {
    try {
      return { uid: id('-u', user), gid: id('-g', user) }
    } catch {
      // No such user here: the next one.
    }
  }
  throw new Error(
    'Postgres refuses to run as root, and there is neither a user postgres nor nobody',
  )
}

/** Missing programs of the real services; empty when all are installed. */
export function missingPrograms(): readonly string[] {
  return [
    ...(findPostgres() === undefined ? ['postgres'] : []),
    ...(findProgram('redis-server') === undefined ? ['redis-server'] : []),
  ]
}
