import { createReadStream } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { compilePasswordList, readPasswordList } from '../accounts/password-list.ts'
import type { Arguments, Io } from './command.ts'

/** Shorter passwords are refused for their length (NIST SP 800-63B-4 §3.1.1.2). */
const shortest = 8

/**
 * `passwords compile`: makes a list of leaked passwords that `PASSWORD_LIST_FILE` may name. It needs no storage.
 * JSON: `{ entries, bytes, false_positives }`.
 * @returns the exit code
 */
export async function passwordsCompile(args: Arguments, io: Io): Promise<number> {
  const [source = '', target = ''] = args.operands
  const unfinished = `${target}.${process.pid}`
  try {
    const input = createReadStream(source, 'utf8')
    // A line reader does not report a file that cannot be opened.
    const opened = new Promise((resolve, reject) => input.on('open', resolve).on('error', reject))
    const readable = unfit(source, 'a readable list')
    await opened.catch(readable)
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    const file = await compilePasswordList(lines, shortest).catch(readable)
    const { entries, falsePositives } = readPasswordList(file)
    if (entries === 0) {
      io.err(
        `keyturn: ${source}: expected a password or its SHA-1 on each line, got no password of ${shortest} characters or more`,
      )
      return 1
    }
    const place = 'a writable file in an existing folder'
    await writeFile(unfinished, file).catch(unfit(target, place))
    await rename(unfinished, target).catch(unfit(target, place))
    const result = { entries, bytes: file.length, false_positives: falsePositives }
    io.out(
      args.options['json']
        ? JSON.stringify(result, null, 2)
        : `${target}: ${entries} passwords in ${file.length} bytes; about one in ${Math.round(1 / falsePositives)} other passwords is refused by mistake.`,
    )
    return 0
  } catch (error) {
    await rm(unfinished, { force: true })
    io.err(`keyturn: ${(error as Error).message}`)
    return 1
  }
}

/** Puts what the system says of a file into words. */
function unfit(file: string, expected: string) {
  return (error: NodeJS.ErrnoException): never => {
    if (error.code === undefined) throw error
    throw new Error(`expected ${expected}, got ${file} (${error.code})`)
  }
}
