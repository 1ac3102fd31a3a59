import { access, constants, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { Check, Finding } from './check.ts'

/** Checks that only the server's user can access the folders' content. */
export async function checkFolders(config: Config): Promise<Check[]> {
  const checks: Check[] = []
  if (config.databaseUrl === undefined) {
    const found = await checkPath(config.dataDir, 'folder', constants.W_OK, 0o077, 'chmod 700')
    if (found) checks.push({ name: 'data folder', ...found })
  }
  if (config.keyEncryptionKey === undefined) {
    const file = join(config.keysDir, 'key-encryption-key')
    const folder = await checkPath(config.keysDir, 'folder', constants.R_OK, 0o022, 'chmod go-w')
    const key = await checkPath(file, 'file', constants.R_OK, 0o077, 'chmod 600')
    if (folder) checks.push({ name: 'keys folder', ...folder })
    if (key) checks.push({ name: 'key file', ...key })
    const old = await checkPath(`${file}.previous`, 'file', constants.R_OK, 0o077, 'chmod 600')
    if (old) checks.push({ name: 'previous key file', ...old })
  }
  return checks
}

/**
 * @param wanted access that this process needs
 * @param others permissions that the group and others must not have
 * @returns undefined when there is nothing at this path
 */
async function checkPath(
  path: string,
  kind: 'file' | 'folder',
  wanted: number,
  others: number,
  command: string,
): Promise<Finding | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (!found) return undefined
  const mode = (found.mode & 0o777).toString(8).padStart(3, '0')
  if (kind === 'folder' && !found.isDirectory()) {
    return { status: 'fail', message: `${path} is not a folder.`, fix: 'move it elsewhere.' }
  }
  const usable = await access(path, wanted).then(
    () => true,
    () => false,
  )
  if (!usable) {
    const message = `This user cannot use ${path} (mode ${mode}).`
    return { status: 'fail', message, fix: 'run the command as its owner.' }
  }
  if ((found.mode & others) !== 0) {
    const message = `Other users can access ${path} (mode ${mode}).`
    return { status: kind === 'file' ? 'fail' : 'warn', message, fix: `${command} ${path}.` }
  }
  const safe = (others & 0o044) === 0 ? 'cannot be changed by others' : 'is closed to others'
  return { status: 'ok', message: `${path} ${safe} (mode ${mode}).` }
}
