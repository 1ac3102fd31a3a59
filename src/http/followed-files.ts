import { readFile } from 'node:fs/promises'
import type { Log } from '../log.ts'

/** What some files say, read again while the server runs. */
export interface Followed<T> {
  readonly current: T
  /**
   * Reads the files again. When they have changed and are sound together, they are taken up; else the old goes on and
   * the log says why, once for each change. Never throws.
   */
  check(): Promise<void>
  /** Calls back after each change. */
  onChange(listener: (value: T) => void): void
}

/**
 * Files are compared by content: a link that is swung over counts, and two files that are written one after the other
 * are looked at again until they fit.
 * @param parse what the texts mean, in the order of the paths; throws what is wrong with them
 * @throws Error when a file cannot be read, or what `parse` throws
 */
export async function followFiles<T>(
  paths: readonly string[],
  parse: (...texts: string[]) => T,
  log: Log,
): Promise<Followed<T>> {
  const read = () => Promise.all(paths.map((path) => readFile(path, 'utf8')))
  const listeners: Array<(value: T) => void> = []
  const first = await read()
  let current = parse(...first)
  let tried = JSON.stringify(first)

  return {
    get current() {
      return current
    },
    onChange: (listener) => void listeners.push(listener),
    async check() {
      const texts = await read().catch((error: Error) => error)
      const seen = texts instanceof Error ? texts.message : JSON.stringify(texts)
      if (seen === tried) return
      tried = seen
      try {
        if (texts instanceof Error) throw texts
        current = parse(...texts)
        for (const listener of listeners) listener(current)
        log.info({ files: paths }, 'files were renewed and are in use')
      } catch (error) {
        log.error({ files: paths, err: error }, 'renewed files are not sound; the old ones go on')
      }
    },
  }
}
