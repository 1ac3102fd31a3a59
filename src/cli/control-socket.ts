import { mkdtemp, rm, symlink } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { DomainError } from '../errors.ts'

/**
 * The socket at which commands reach the server that owns embedded storage; undefined where many processes may use the
 * storage. Protocol: one request per connection, a line of JSON; then one line for each part of the result, if any, and
 * one with the answer. Empty lines in between are signs of life.
 */
export function controlSocketOf(config: Config): string | undefined {
  return config.databaseUrl === undefined ? join(config.dataDir, 'control.sock') : undefined
}

/** A command to execute. */
export interface ControlRequest {
  command: string
  input: unknown
}

export type ControlAnswer = { result: unknown } | { error: ControlError }

/** A part of the result, sent before the answer. */
export interface ControlPart {
  part: unknown
}

/** A serialised DomainError; the other side may not know its `code`. */
export interface ControlError {
  code: string
  message: string
  detail?: string | Record<string, unknown> | undefined
}

/** Most bytes of a request, which the server holds in memory; an answer has no limit. */
export const longestRequest: number = 32 * 1024 * 1024

/** Most bytes of a socket path: 104 on macOS, 108 on Linux, each with a final zero (unix(7)). */
const longestAddress = 103

/**
 * Calls a function with a usable address for a socket path of any length: a path that is too long is reached through a
 * temporary short symbolic link to its folder; a socket stays where it was bound.
 * @throws DomainError `config_invalid` when even the folder for temporary files has a long name
 */
export async function withSocketAddress<T>(
  path: string,
  use: (address: string) => Promise<T>,
): Promise<T> {
  if (Buffer.byteLength(path) <= longestAddress) return use(path)
  const folder = await mkdtemp(join(tmpdir(), 'kt-'))
  try {
    const link = join(folder, 'd')
    const address = join(link, basename(path))
    if (Buffer.byteLength(address) > longestAddress) {
      throw new DomainError('config_invalid', {
        detail: `DATA_DIR and TMPDIR are both too long for the path of a socket: ${path}`,
      })
    }
    await symlink(dirname(path), link)
    return await use(address)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * Yields lines until the other side closes; an incomplete last line is dropped. The connection stays open.
 * @param longest bytes of a line
 * @throws DomainError `internal` when a line is longer
 */
export async function* linesOf(
  socket: Socket,
  longest: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<string, void> {
  let chunks: Buffer[] = []
  let size = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    let from = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      chunks.push(chunk.subarray(from, end))
      const line = Buffer.concat(chunks).toString('utf8')
      chunks = []
      size = 0
      from = end + 1
      yield line
    }
    chunks.push(chunk.subarray(from))
    size += chunk.length - from
    if (size > longest) throw tooLong()
  }
}

/** The error for a request that the server refused to read, or did not finish reading. */
export function tooLong(): DomainError {
  const most = longestRequest / 1024 / 1024
  return new DomainError('internal', {
    detail:
      `The running server accepts at most ${most} MiB per command; nothing was done. ` +
      'Stop the server and repeat the command, or split the file and apply each part without --prune.',
  })
}
