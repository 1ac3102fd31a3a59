import { createHmac, randomBytes } from 'node:crypto'
import { equalInConstantTime } from '../secrets/handle.ts'

/** Seconds of one step (RFC 6238 §4.1). */
export const stepSeconds = 30
const digits = 6
/** Steps before and after now that are accepted, as clocks differ (RFC 6238 §5.2). */
const drift = 1

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** A new secret: 160 random bits, as long as the hash (RFC 4226 §4, R6). Base32, as people and programs read it. */
export function newTotpSecret(): string {
  return base32(randomBytes(20))
}

/** Base32 (RFC 4648 §6), without padding. */
export function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const groups = bits.match(/.{1,5}/g) ?? []
  return groups.map((group) => alphabet[Number.parseInt(group.padEnd(5, '0'), 2)]).join('')
}

function bytesOf(secret: string): Buffer {
  const bits = [...secret].map((c) => alphabet.indexOf(c).toString(2).padStart(5, '0')).join('')
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
}

/** The code of a step: HOTP with SHA-1 (RFC 4226 §5.3, RFC 6238 §4). @param secret base32 */
export function totpCode(secret: string, step: number): string {
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(step))
  const mac = createHmac('sha1', bytesOf(secret)).update(counter).digest()
  const offset = (mac.at(-1) as number) & 0xf
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff
  return String(number % 10 ** digits).padStart(digits, '0')
}

/** Normalises a typed code, as apps show it in groups; undefined when it cannot be one. */
export function totpCodeIn(typed: string): string | undefined {
  const code = typed.normalize('NFKC').replace(/[\s-]/g, '')
  return /^\d{6}$/.test(code) ? code : undefined
}

/**
 * The time step of a code, among those accepted now; in constant time.
 * @param now seconds since the epoch
 */
export function stepOfCode(secret: string, code: string, now: number): number | undefined {
  const current = Math.floor(now / stepSeconds)
  let found: number | undefined
  for (let step = current - drift; step <= current + drift; step++) {
    if (equalInConstantTime(totpCode(secret, step), code)) found = step
  }
  return found
}

/** The content of the QR code, as authenticator apps read it. @param issuer the name of this server */
export function totpUri(secret: string, account: string, issuer: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(account)}`
  const query = `secret=${secret}&issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${digits}&period=${stepSeconds}`
  return `otpauth://totp/${label}?${query}`
}
