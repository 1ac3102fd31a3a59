import { randomBytes } from 'node:crypto'
import { hash, type Options, parseOptions, verify } from '@node-rs/argon2'
import type { Log } from '../log.ts'
import { createEvenTime } from './even-time.ts'
import type { HashQueue, Turn } from './hash-queue.ts'
import { readImportedHash } from './imported-hash.ts'
import { maxPasswordBytes, type PasswordOwner, type PasswordPolicy } from './password-policy.ts'

/** Hashing of passwords: argon2id, parameters in each hash (OWASP Password Storage; architecture §5). */
export interface Passwords {
  /**
   * Hashes a new password.
   * @param withFactor whether a second factor is always required
   * @throws DomainError `password_policy` when it breaks a rule, `hash_queue_full` under overload
   */
  hash(password: string, owner: PasswordOwner, withFactor?: boolean): Promise<string>
  /** Hashes a password that is in use already or was generated. @throws DomainError `hash_queue_full` under overload */
  rehash(password: string): Promise<string>
  /**
   * Whether the password matches the hash. Takes the same time without a hash (ASVS 6.3.8), and with an unverifiable
   * one, which no password matches.
   * @param whose the account; an unverifiable hash is logged once per account
   * @throws DomainError `hash_queue_full` under overload
   */
  verify(password: string, stored: string | undefined, whose?: string): Promise<boolean>
  /**
   * The same for a guess. `count` is called when the guess leaves the queue, so that a refused one uses no try; it
   * returns whether the password may be compared. If not, a hash is computed all the same. A wrong guess takes as long
   * as the slowest kind of hash in use, for any account, and holds no place in the queue while it waits.
   * @throws DomainError `hash_queue_full` under overload
   */
  guess<T>(
    turn: Turn,
    password: string,
    stored: string | undefined,
    count: (look: (may: boolean) => Promise<boolean>) => Promise<T>,
    whose?: string,
  ): Promise<T>
  /** Whether a guess would be accepted now. */
  hasRoom(turn: Turn): boolean
  /** Whether the hash has weaker parameters than the current ones, or is of another system. */
  isOutdated(stored: string): boolean
  readonly policy: Pick<PasswordPolicy, 'minLength' | 'minLengthWithFactor' | 'isShort'>
}

export interface PasswordOptions {
  policy: PasswordPolicy
  memoryKiB: number
  iterations: number
  queue: HashQueue
  log: Log
}

/** Length of the library's salts. */
const saltBytes = 16
/** Most accounts remembered as reported for an unverifiable hash. */
const mostTold = 1000

export async function createPasswords(options: PasswordOptions): Promise<Passwords> {
  // Of argon2id, the library's default.
  const parameters = {
    memoryCost: options.memoryKiB,
    timeCost: options.iterations,
    parallelism: 1,
    outputLen: 32,
  } satisfies Options
  const make = (password: string) => hash(normalised(password), parameters)
  const nobodys = await make(randomBytes(32).toString('base64url'))
  const evenTime = createEvenTime()
  // Measures our own kind first. Otherwise, until a hash of ours is verified, a wrong password for an older hash would
  // be answered sooner than one for an unknown account.
  const verifiesNobodys = (password: string) => verify(nobodys, normalised(password))
  await evenTime.measure(nobodys, () => verifiesNobodys(''))
  const told = new Set<string | undefined>()

  function tellOnce(account: string | undefined, reason: string): void {
    if (told.has(account)) return
    if (told.size >= mostTold) told.clear()
    told.add(account)
    options.log.error({ account, reason }, unverifiable)
  }

  async function fits(password: string, stored: string | undefined, whose?: string) {
    // Refused before hashing, for any account: no password is that long.
    if (Buffer.byteLength(password) > maxPasswordBytes) return { isRight: false, took: 0 }
    const verifies = stored === undefined ? undefined : readHash(stored)
    if (stored !== undefined && typeof verifies === 'function') {
      return evenTime.measure(stored, () => verifies(password))
    }
    if (verifies !== undefined) tellOnce(whose, verifies as string)
    const { took } = await evenTime.measure(nobodys, () => verifiesNobodys(password))
    return { isRight: false, took }
  }

  return {
    policy: options.policy,
    async hash(password, owner, withFactor) {
      options.policy.check(password, owner, withFactor)
      return options.queue(() => make(password))
    },
    rehash: (password) => options.queue(() => make(password)),
    async verify(password, stored, whose) {
      return (
        Buffer.byteLength(password) <= maxPasswordBytes &&
        (await options.queue(() => fits(password, stored, whose))).isRight
      )
    },
    async guess(turn, password, stored, count, whose) {
      let wrong: number | undefined
      const { under } = await options.queue(async () => {
        const leaves = Promise.withResolvers<void>()
        const counted = count(async (may) => {
          // Always its own hash: that of another system may take a different time.
          const { isRight, took } = await fits(password, stored, whose)
          if (isRight && may) return true
          wrong = took
          leaves.resolve()
          return false
        })
        // Writing down a wrong guess does not hold the place. A right guess gives its try back first: otherwise more
        // concurrent right ones than there are places would lock the account.
        await Promise.race([leaves.promise, counted])
        return { under: counted }
      }, turn)
      const outcome = await under
      if (wrong !== undefined) await evenTime.wait(wrong)
      return outcome
    },
    hasRoom: (turn) => options.queue.hasRoom(turn),
    isOutdated(stored) {
      if (!stored.startsWith('$argon2id$v=19$')) return true
      const { memoryCost, timeCost, parallelism, outputLen, saltLen } = parseOptions(stored)
      return (
        memoryCost !== parameters.memoryCost ||
        timeCost !== parameters.timeCost ||
        parallelism !== parameters.parallelism ||
        outputLen !== parameters.outputLen ||
        saltLen < saltBytes
      )
    },
  }
}

/** Log line for a stored hash that cannot be verified. */
const unverifiable = 'a stored password hash cannot be verified: no password will match it'

/**
 * @returns how to verify it, or why it cannot be verified. An error during verification does not make the hash invalid:
 *   a machine out of memory makes no right password wrong
 */
function readHash(stored: string): ((password: string) => Promise<boolean>) | string {
  if (!stored.startsWith('$argon2')) {
    const imported = readImportedHash(stored)
    return typeof imported === 'string' ? imported : imported.verify
  }
  try {
    parseOptions(stored)
  } catch (error) {
    return (error as Error).message
  }
  return (password) => verify(stored, normalised(password))
}

// The same password typed on another keyboard may have another Unicode composition (ASVS 6.2.8).
function normalised(password: string): string {
  return password.normalize('NFC')
}

/** A one-time password: 100 random bits, in groups that are easy to type. */
export function newOneTimePassword(): string {
  const alphabet = '23456789abcdefghjkmnpqrstuvwxyz'
  const letters: string[] = []
  while (letters.length < 20) {
    for (const byte of randomBytes(32)) {
      // Bytes beyond the last whole multiple of the alphabet would favour its first letters.
      if (byte < 248 && letters.length < 20) letters.push(alphabet[byte % 31] as string)
    }
  }
  return [0, 5, 10, 15].map((start) => letters.slice(start, start + 5).join('')).join('-')
}
