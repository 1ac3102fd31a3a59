import { hash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { DomainError } from '../errors.ts'

/**
 * Passwords that attackers try first, as a table of truncated SHA-1 values: small enough to ship, fast to query, and
 * useless for learning the passwords. It may report a password that is not listed, but never misses one that is.
 *
 * The file: `KTPW`, version (1 byte), bytes per remainder (1 byte), entries (4 bytes, big-endian); 65,537 offsets of 4
 * bytes, one for each leading 16 bits; then the remainders, sorted.
 */
export interface PasswordList {
  /** Whether it is listed, as typed or in lower case. */
  has(password: string): boolean
  readonly entries: number
  /** The probability that an unlisted password is reported. */
  readonly falsePositives: number
}

const magic = 'KTPW'
const version = 1
const headerBytes = 10
const buckets = 65_536
const dataAt = headerBytes + (buckets + 1) * 4
/** Bytes of a remainder: two in the shipped list, four in one of many millions. */
const remainderSizes = [2, 4]

/** Its content and origin: docs/passwords.md. */
const shipped = new URL('leaked-passwords.bin', import.meta.url)

/**
 * The shipped list, and the operator's own if there is one.
 * @throws DomainError `config_invalid`: a server must not start without them, as it would accept weak passwords
 */
export async function loadPasswordLists(own: string | undefined): Promise<PasswordList[]> {
  const read = async (name: string, file: URL | string) => {
    try {
      return readPasswordList(await readFile(file))
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException
      throw new DomainError('config_invalid', { detail: `${name}: ${code ?? message}`, cause })
    }
  }
  return Promise.all([
    read('the built-in list of leaked passwords', shipped),
    ...(own === undefined ? [] : [read(`PASSWORD_LIST_FILE ${own}`, own)]),
  ])
}

/** @throws Error that says what is wrong with the file */
export function readPasswordList(file: Buffer): PasswordList {
  if (file.length < dataAt || file.toString('latin1', 0, 4) !== magic) {
    throw new Error('expected a file that `passwords compile` wrote')
  }
  const size = file.readUInt8(5)
  const entries = file.readUInt32BE(6)
  if (file.readUInt8(4) !== version || !remainderSizes.includes(size)) {
    throw new Error(`expected a list of version ${version}, got ${file.readUInt8(4)}`)
  }
  const expected = dataAt + entries * size
  if (file.length !== expected) {
    throw new Error(`expected ${expected} bytes for ${entries} entries, got ${file.length}`)
  }
  const offset = (bucket: number) => file.readUInt32BE(headerBytes + bucket * 4)

  function listed(text: string): boolean {
    const digest = sha1(text)
    const bucket = digest.readUInt16BE(0)
    const remainder = digest.readUIntBE(2, size)
    for (let i = offset(bucket); i < offset(bucket + 1); i++) {
      if (file.readUIntBE(dataAt + i * size, size) === remainder) return true
    }
    return false
  }

  return {
    entries,
    falsePositives: 1 - (1 - entries / buckets / 256 ** size) ** 2,
    has: (password) => listed(password) || listed(password.toLowerCase()),
  }
}

/**
 * @param lines each is a password or its SHA-1 in hexadecimal; anything after a colon is ignored
 * @param shortest least characters of a password worth listing; does not apply to a SHA-1
 */
export async function compilePasswordList(
  lines: AsyncIterable<string> | Iterable<string>,
  shortest: number,
): Promise<Buffer> {
  const digests: number[] = []
  for await (const line of lines) {
    const hashed = /^([0-9a-f]{40})(?::.*)?$/i.exec(line)?.[1]
    if (hashed) digests.push(Buffer.from(hashed, 'hex').readUIntBE(0, 6))
    else if ([...line].length >= shortest) digests.push(sha1(line.toLowerCase()).readUIntBE(0, 6))
  }
  const size = digests.length > 5_000_000 ? 4 : 2
  const keys = Float64Array.from(digests, (key) => Math.floor(key / 256 ** (4 - size))).toSorted()
  const distinct = keys.filter((key, i) => key !== keys[i - 1])

  const file = Buffer.alloc(dataAt + distinct.length * size)
  file.write(magic, 'latin1')
  file.writeUInt8(version, 4)
  file.writeUInt8(size, 5)
  file.writeUInt32BE(distinct.length, 6)
  let bucket = 0
  const begin = (upTo: number, at: number) => {
    while (bucket <= upTo) file.writeUInt32BE(at, headerBytes + bucket++ * 4)
  }
  distinct.forEach((key, i) => {
    begin(Math.floor(key / 256 ** size), i)
    file.writeUIntBE(key % 256 ** size, dataAt + i * size, size)
  })
  begin(buckets, distinct.length)
  return file
}

/** SHA-1 because published lists use it; it protects nothing here. */
function sha1(text: string): Buffer {
  return hash('sha1', text.normalize('NFC'), 'buffer')
}
