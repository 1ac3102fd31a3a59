import { randomBytes } from 'node:crypto'
import { argon2id, hash, needsRehash, verify } from 'argon2'
import { DomainError } from '../errors.ts'
import type { HashQueue, Turn } from './hash-queue.ts'

/** Hashing of passwords: argon2id, parameters in each hash (OWASP Password Storage; architecture §5). */
export interface Passwords {
  /** @throws DomainError `password_policy` when it is too short or too long, `hash_queue_full` under overload */
  hash(password: string): Promise<string>
  /**
   * Whether the password fits the hash; costs the same when there is no hash (ASVS 6.3.8).
   * @throws DomainError `hash_queue_full` under overload
   */
  verify(password: string, stored: string | undefined): Promise<boolean>
  /**
   * The same as a guess: `count` decides when its turn has come, so that what is turned away costs nothing, and says
   * whether it may be looked at; if not it costs a hash all the same.
   * @throws DomainError `hash_queue_full` under overload
   */
  guess<T>(
    turn: Turn,
    password: string,
    stored: string | undefined,
    count: (look: (may: boolean) => Promise<boolean>) => Promise<T>,
  ): Promise<T>
  /** Whether a guess would be taken now. */
  hasRoom(turn: Turn): boolean
  /** Whether the hash was made with weaker parameters than those in force. */
  isOutdated(stored: string): boolean
  readonly minLength: number
}

export interface PasswordOptions {
  /** In code points; NIST SP 800-63B-4 §3.1.1.2. */
  minLength: number
  memoryKiB: number
  iterations: number
  queue: HashQueue
}

/** More than anybody types; longer input is refused before it costs a hash (security-bar §5.3). */
const maxBytes = 1024

export async function createPasswords(options: PasswordOptions): Promise<Passwords> {
  const parameters = {
    type: argon2id,
    memoryCost: options.memoryKiB,
    timeCost: options.iterations,
    parallelism: 1,
  } as const
  const make = (password: string) => hash(normalised(password), parameters)
  const nobodys = await make(randomBytes(32).toString('base64url'))
  async function fits(password: string, stored: string | undefined): Promise<boolean> {
    // Refused before it costs a hash, whoever is meant: nobody has such a password.
    if (Buffer.byteLength(password) > maxBytes) return false
    return (await verify(stored ?? nobodys, normalised(password))) && stored !== undefined
  }

  return {
    minLength: options.minLength,
    async hash(password) {
      const length = [...normalised(password)].length
      if (length < options.minLength) {
        throw new DomainError('password_policy', {
          detail: {
            rule: 'too_short',
            expected: `at least ${options.minLength} characters`,
            length,
          },
        })
      }
      if (Buffer.byteLength(password) > maxBytes) {
        throw new DomainError('password_policy', {
          detail: { rule: 'too_long', expected: `at most ${maxBytes} bytes` },
        })
      }
      return options.queue(() => make(password))
    },
    async verify(password, stored) {
      return Buffer.byteLength(password) <= maxBytes && options.queue(() => fits(password, stored))
    },
    guess: (turn, password, stored, count) =>
      options.queue(() => count((may) => fits(password, may ? stored : undefined)), turn),
    hasRoom: (turn) => options.queue.hasRoom(turn),
    isOutdated: (stored) => needsRehash(stored, parameters),
  }
}

// The same password typed on another keyboard may arrive composed differently (ASVS 6.2.8).
function normalised(password: string): string {
  return password.normalize('NFC')
}

/** A password for one use: 100 random bits in groups that can be typed. */
export function newOneTimePassword(): string {
  const alphabet = '23456789abcdefghjkmnpqrstuvwxyz'
  const letters: string[] = []
  while (letters.length < 20) {
    for (const byte of randomBytes(32)) {
      // Bytes past the last whole multiple of the alphabet would favour its first letters.
      if (byte < 248 && letters.length < 20) letters.push(alphabet[byte % 31] as string)
    }
  }
  return [0, 5, 10, 15].map((start) => letters.slice(start, start + 5).join('')).join('-')
}
