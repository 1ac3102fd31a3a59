import { createHash, randomBytes } from 'node:crypto'

/**
 * A UUID version 7 (RFC 9562 §5.7): ids sort by time.
 * @param at milliseconds since the epoch
 * @param rest at least 10 bytes; random by default, which makes the id unique
 */
export function eventId(at: number, rest: Buffer = randomBytes(10)): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(at, 0, 6)
  rest.copy(bytes, 6, 0, 10)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return [8, 12, 16, 20, 32].map((end, i, ends) => hex.slice(ends[i - 1] ?? 0, end)).join('-')
}

/** The id of a counting row: all who count the same in the same period compute the same id. */
export function countedId(at: number, ...parts: string[]): string {
  return eventId(at, createHash('sha256').update(JSON.stringify(parts)).digest())
}
