import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Io, PartPrinter } from './command.ts'
import type { CommandName } from './commands.ts'
import { performAll, type Surroundings } from './perform.ts'

/** Most characters in memory: most results are shorter, and there may be no writable folder. */
const mostHeld = 4 * 1024 * 1024

/**
 * Prints a result that comes in parts, completely or not at all. Parts are buffered in a temporary file until the last
 * one is there: memory use stays low, and a slow reader of the output keeps no transaction open.
 * @throws DomainError what the command throws
 * @throws Error when there is no room for the file
 */
export async function printParts(
  { name, print }: { name: CommandName; print: PartPrinter },
  { input, io, ...surroundings }: { input: unknown; io: Io } & Surroundings,
  most = mostHeld,
): Promise<void> {
  let held = ''
  let file: FileHandle | undefined
  async function put(text: string): Promise<void> {
    held += text
    if (held.length <= most) return
    const waiting = held
    held = ''
    await inTemporary(async () => {
      file ??= await openUnnamed()
      await file.appendFile(waiting)
    })
  }
  try {
    await performAll(name, surroundings, (run) => run(input, (part) => put(print.part(part))))
    held += print.end()
    if (file) held = (await printLines(file, io)) + held
    if (held !== '') await io.out(held.slice(0, -1))
  } finally {
    await file?.close()
  }
}

/** Accessible to this user alone, and removed however the process ends. */
async function openUnnamed(): Promise<FileHandle> {
  const path = join(tmpdir(), `keyturn-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

async function inTemporary(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    throw new Error(
      `expected free space in ${tmpdir()} for the output, got ${code ?? message}: set TMPDIR to another folder`,
      { cause },
    )
  }
}

/** @returns the rest after the last complete line */
async function printLines(file: FileHandle, io: Io): Promise<string> {
  let rest = Buffer.alloc(0)
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
    const read = Buffer.concat([rest, chunk as Buffer])
    const end = read.lastIndexOf(0x0a)
    if (end >= 0) await io.out(read.toString('utf8', 0, end))
    rest = read.subarray(end + 1)
  }
  return rest.toString('utf8')
}
