import { pbkdf2, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { parseOptions, verify as verifyArgon2 } from '@node-rs/argon2'
import { compare as compareBcrypt } from 'bcrypt'

/**
 * A password hash of another system. It is verified as it is, and replaced by our own at the first sign-in. Its cost is
 * limited on import: a hash that needs 4 GiB takes forty seconds to verify (security class C18).
 */
export interface ImportedHash {
  scheme: 'argon2' | 'bcrypt' | 'scrypt' | 'pbkdf2'
  /** Why it is too expensive to import; one that was imported before is still verified. */
  tooDear?: string
  verify(password: string): Promise<boolean>
}

const caps = {
  argon2: { m: 131_072, t: 10, p: 4 },
  bcryptCost: { least: 4, most: 14 },
  scryptBytes: 128 * 1024 * 1024,
  scryptP: 4,
  pbkdf2Iterations: 2_000_000,
}
/** Least bytes of a hash. */
const shortestHash = 16
const tooShort = `expected a hash of at least ${shortestHash} bytes`

const deriveScrypt = promisify(
  (
    password: string,
    salt: Buffer,
    length: number,
    options: { N: number; r: number; p: number; maxmem: number },
    done: (error: Error | null, key: Buffer) => void,
  ) => scrypt(password, salt, length, options, done),
)
const derivePbkdf2 = promisify(pbkdf2)

/** One reader per notation; the first that recognises the string decides. */
const readers = [readArgon2, readBcrypt, readScrypt, readPbkdf2, readDjangoPbkdf2]

const importedNotations =
  '$argon2id$… (also i, d), $2b$… (also a, y), $scrypt$ln=…,r=…,p=…$salt$hash, $pbkdf2-sha256$iterations$salt$hash ' +
  '(also sha512, sha1) or pbkdf2_sha256$iterations$salt$hash'

/** @returns how to verify it, or a message that says what is wrong with it */
export function readImportedHash(text: string): ImportedHash | string {
  for (const read of readers) {
    const found = read(text)
    if (found !== undefined) return found
  }
  return `expected one of ${importedNotations}`
}

/** @returns a message that says what is wrong with a declared hash */
export function importFault(text: string): string | undefined {
  const read = readImportedHash(text)
  return typeof read === 'string' ? read : read.tooDear
}

type Read = ImportedHash | string | undefined

function readArgon2(text: string): Read {
  if (!text.startsWith('$argon2')) return undefined
  const parts = /^\$argon2(?:id|i|d)\$v=19\$([mtp]=\d+(?:,[mtp]=\d+){2})\$[^$]+\$[^$]+$/.exec(text)
  const notation = '$argon2id$v=19$m=…,t=…,p=…$salt$hash'
  if (!parts) return `expected ${notation}`
  const given = Object.fromEntries(
    (parts[1] as string).split(',').map((part) => [part[0], Number(part.slice(2))]),
  )
  for (const [name, most] of Object.entries(caps.argon2)) {
    if (!(Number(given[name]) <= most)) return `${name} is ${given[name]}, expected at most ${most}`
  }
  try {
    if (parseOptions(text).outputLen < shortestHash) return tooShort
  } catch (error) {
    return `expected ${notation} that can be verified: ${(error as Error).message}`
  }
  return { scheme: 'argon2', verify: (password) => verifyArgon2(text, password) }
}

/** Restricts the last characters of salt and hash: their unused bits must be 0, as the library expects. */
const bcryptNotation =
  /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/

function readBcrypt(text: string): Read {
  if (!text.startsWith('$2')) return undefined
  const cost = bcryptNotation.exec(text)?.[1]
  if (cost === undefined) {
    return 'expected $2b$ with a cost of two digits, and 22 and 31 characters of bcrypt for salt and hash'
  }
  const { least, most } = caps.bcryptCost
  if (Number(cost) < least) return `cost is ${cost}, expected at least ${least}`
  if (Number(cost) > most) return `cost is ${cost}, expected at most ${most}`
  // PHP's name of 2b is 2y.
  const known = text.replace(/^\$2y/, '$2b')
  return { scheme: 'bcrypt', verify: (password) => compareBcrypt(password, known) }
}

function readScrypt(text: string): Read {
  if (!text.startsWith('$scrypt$')) return undefined
  const parts = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,4}),p=(\d{1,4})\$([^$]+)\$([^$]+)$/.exec(text)
  if (!parts) return 'expected $scrypt$ln=…,r=…,p=…$salt$hash'
  const [ln, r, p] = parts.slice(1, 4).map(Number) as [number, number, number]
  const bytes = 128 * 2 ** ln * r
  if (bytes > caps.scryptBytes)
    return `needs ${bytes} bytes of memory, expected at most ${caps.scryptBytes}`
  if (p > caps.scryptP) return `p is ${p}, expected at most ${caps.scryptP}`
  if (ln < 1 || r < 1 || p < 1) return 'expected ln, r and p of at least 1'
  // RFC 7914 §2.
  if (ln >= 16 * r) return `ln is ${ln}, expected less than 16 times r, which is ${r}`
  const [salt, hash] = [fromBase64(parts[4]), hashIn(parts[5])]
  if (salt === undefined) return notBase64
  if (typeof hash === 'string') return hash
  const options = { N: 2 ** ln, r, p, maxmem: 2 * caps.scryptBytes }
  return {
    scheme: 'scrypt',
    verify: async (password) =>
      same(await deriveScrypt(password, salt, hash.length, options), hash),
  }
}

function readPbkdf2(text: string): Read {
  if (!text.startsWith('$pbkdf2')) return undefined
  const parts = /^\$pbkdf2(?:-(sha1|sha256|sha512))?\$(?:i=)?(\d+)\$([^$]+)\$([^$]+)$/.exec(text)
  if (!parts) return 'expected $pbkdf2-sha256$iterations$salt$hash'
  const salt = fromBase64(parts[3])
  return salt ? pbkdf2Hash(parts[1] ?? 'sha1', parts[2], salt, parts[4]) : notBase64
}

/** Django's notation: the salt is text. */
function readDjangoPbkdf2(text: string): Read {
  if (!text.startsWith('pbkdf2_')) return undefined
  const parts = /^pbkdf2_(sha1|sha256|sha512)\$(\d+)\$([^$]+)\$([^$]+)$/.exec(text)
  if (!parts) return 'expected pbkdf2_sha256$iterations$salt$hash'
  return pbkdf2Hash(parts[1] as string, parts[2], Buffer.from(parts[3] as string), parts[4])
}

const digestBytes: Readonly<Record<string, number>> = { sha1: 20, sha256: 32, sha512: 64 }

function pbkdf2Hash(
  digest: string,
  count: string | undefined,
  salt: Buffer,
  encoded?: string,
): Read {
  const iterations = Number(count)
  if (!(iterations >= 1 && iterations <= caps.pbkdf2Iterations)) {
    return `${count} iterations, expected 1 to ${caps.pbkdf2Iterations}`
  }
  const hash = hashIn(encoded)
  if (typeof hash === 'string') return hash
  // RFC 8018 §5.2: all iterations are needed for each block.
  const blocks = Math.ceil(hash.length / (digestBytes[digest] as number))
  const tooDear = `${count} iterations for each of ${blocks} blocks, expected at most ${caps.pbkdf2Iterations} in total`
  return {
    scheme: 'pbkdf2',
    ...(iterations * blocks > caps.pbkdf2Iterations && { tooDear }),
    verify: async (password) =>
      same(await derivePbkdf2(password, salt, iterations, hash.length, digest), hash),
  }
}

const notBase64 = 'expected salt and hash in Base64'
const base64 = /^(?:[\w+/.-]{4})*(?:[\w+/.-]{2,3}={0,2})?$/

/** Decodes base64: standard, URL-safe, or with a dot for the plus, as passlib writes it. */
function fromBase64(text = ''): Buffer | undefined {
  return base64.test(text) ? Buffer.from(text.replaceAll('.', '+'), 'base64') : undefined
}

/** @returns the bytes, or a message that says what is wrong with them */
function hashIn(encoded: string | undefined): Buffer | string {
  const hash = fromBase64(encoded)
  if (!hash) return notBase64
  return hash.length < shortestHash ? tooShort : hash
}

function same(derived: Buffer, stored: Buffer): boolean {
  return timingSafeEqual(derived, stored)
}
