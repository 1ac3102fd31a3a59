import { readFile, stat } from 'node:fs/promises'
import type { Log } from './log.ts'

/** The parsed content of files that are read again while the server runs. */
export interface Followed<T> {
  readonly current: T
  /**
   * Reads the files again. If they have changed and are valid together, the new content is used; otherwise the old one
   * stays in use and the log says why, once per change. Never throws.
   */
  check(): Promise<void>
  /** Calls back after each change. */
  onChange(listener: (value: T) => void): void
}

/** The result of one check: `seen` differs after a change. */
interface Look<T> {
  seen: string
  open(): T | Promise<T>
}

/**
 * Follows files by their content: a symbolic link to another file counts as a change, and two files that are written
 * one after the other are used only once they match.
 * @param parse parses the texts, in the order of the paths; throws what is wrong with them
 * @throws Error when a file cannot be read, or what `parse` throws
 */
export function followFiles<T>(
  paths: readonly string[],
  parse: (...texts: string[]) => T,
  log: Log,
): Promise<Followed<T>> {
  return follow(paths, log, async () => {
    const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
    return { seen: JSON.stringify(texts), open: () => parse(...texts) }
  })
}

/**
 * Follows a file that is too large to be read at every check: a change is detected by inode, size and time, also behind
 * symbolic links.
 * @throws Error when it cannot be read, or what `parse` throws
 */
export function followLargeFile<T>(
  path: string,
  parse: (bytes: Buffer) => T | Promise<T>,
  log: Log,
): Promise<Followed<T>> {
  return follow([path], log, async () => {
    const { dev, ino, size, mtimeMs } = await stat(path)
    const open = async () => parse(await readFile(path))
    return { seen: [dev, ino, size, mtimeMs].join(' '), open }
  })
}

async function follow<T>(
  files: readonly string[],
  log: Log,
  look: () => Promise<Look<T>>,
): Promise<Followed<T>> {
  const listeners: Array<(value: T) => void> = []
  const first = await look()
  let current = await first.open()
  let tried = first.seen

  return {
    get current() {
      return current
    },
    onChange: (listener) => void listeners.push(listener),
    async check() {
      const found = await look().catch((error: Error) => error)
      const seen = found instanceof Error ? found.message : found.seen
      if (seen === tried) return
      tried = seen
      try {
        if (found instanceof Error) throw found
        current = await found.open()
        for (const listener of listeners) listener(current)
        log.info({ files }, 'loaded renewed files')
      } catch (error) {
        log.error({ files, err: error }, 'renewed files are not valid; the old ones remain in use')
      }
    },
  }
}
