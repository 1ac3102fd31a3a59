import { mkdtemp, rm, symlink } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Config } from '../../config/config.ts'
import { DomainError } from '../errors.ts'

/**
 * Where commands reach the server that owns embedded storage; undefined where many processes may use the storage.
 * The protocol: one request per connection, one line of JSON each way.
 */
export function controlSocketOf(config: Config): string | undefined {
  return config.databaseUrl === undefined ? join(config.dataDir, 'control.sock') : undefined
}

/** What a command wants done. */
export interface ControlRequest {
  command: string
  input: unknown
}

export type ControlAnswer = { result: unknown } | { error: ControlError }

/** A DomainError on its way; `code` may be one that the other side does not know. */
export interface ControlError {
  code: string
  message: string
  detail?: string | Record<string, unknown> | undefined
}

/** Bytes; an apply file of 8 MiB fits, escaped. */
const longestMessage = 32 * 1024 * 1024

/** Bytes of a socket address: 104 on macOS, 108 on Linux, each with a final zero (unix(7)). */
const longestAddress = 103

/**
 * Lends an address for a socket path of any length: a path that is too long is reached through a short symbolic link
 * to its folder, which is gone afterwards; a socket stays where it was bound.
 * @throws DomainError `config_invalid` when not even the folder for temporary files has a short name
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
        detail: `DATA_DIR and TMPDIR are both too long for the address of a socket: ${path}`,
      })
    }
    await symlink(dirname(path), link)
    return await use(address)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * The first line that arrives; the connection stays open.
 * @returns undefined when the other side closes before its line ends
 * @throws Error when the line is longer than `longestMessage`
 */
export async function readLine(socket: Socket): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const end = chunk.indexOf(0x0a)
    chunks.push(end < 0 ? chunk : chunk.subarray(0, end))
    if (end >= 0) return Buffer.concat(chunks).toString('utf8')
    size += chunk.length
    if (size > longestMessage) throw new Error(`a message has more than ${longestMessage} bytes`)
  }
  return undefined
}
