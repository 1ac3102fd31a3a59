import { DomainError } from '../errors.ts'
import type { PasswordList } from './password-list.ts'

/** The owner of a new password, whose data anybody would guess. */
export interface PasswordOwner {
  email: string
  username?: string | undefined
  name?: string | undefined
}

export interface PasswordPolicy {
  /** In code points (NIST SP 800-63B-4 §3.1.1.2). */
  readonly minLength: number
  /** The same where a password alone does not sign in. */
  readonly minLengthWithFactor: number
  /** Whether it is too short to be the only factor. */
  isShort(password: string): boolean
  /**
   * The rules for a new password; the first broken one decides. There are no composition rules.
   *
   * | rule        | refused                                                                   |
   * |-------------|---------------------------------------------------------------------------|
   * | too_long    | more than 1,024 bytes, before anything is computed                        |
   * | too_short   | fewer code points than the minimum that applies                           |
   * | compromised | listed among passwords that attackers try, also when repeated             |
   * | expected    | little but names of the person, this server and its product (ASVS 6.2.11) |
   *
   * @param withFactor whether a second factor is always required
   * @throws DomainError `password_policy` whose detail has the `rule`
   */
  check(password: string, owner: PasswordOwner, withFactor?: boolean): void
}

/** More than anybody types; longer input is refused before hashing (security-bar §5.3). */
export const maxPasswordBytes = 1024
/** Shorter names occur in ordinary words by accident. */
const shortestName = 4
/** Characters that must remain without the names. */
const fewestOwn = 8

export function createPasswordPolicy({
  minLength,
  minLengthWithFactor = minLength,
  lists,
  names,
}: {
  minLength: number
  minLengthWithFactor?: number
  lists: readonly PasswordList[]
  /** The names of this server: product, theme, host. */
  names: readonly string[]
}): PasswordPolicy {
  const least = Math.min(minLengthWithFactor, minLength)
  return {
    minLength,
    minLengthWithFactor: least,
    isShort: (password) => lengthOf(password) < minLength,
    check(password, owner, withFactor = false) {
      if (Buffer.byteLength(password) > maxPasswordBytes) {
        throw broken('too_long', { expected: `at most ${maxPasswordBytes} bytes` })
      }
      const length = lengthOf(password)
      const fewest = withFactor ? least : minLength
      if (length < fewest) throw tooShort(fewest, length)
      const guesses = [password, unitOf(password)]
      if (lists.some((list) => guesses.some((guess) => list.has(guess)))) {
        throw broken('compromised', {
          expected: 'a password that is not on a list of leaked passwords',
        })
      }
      const own = withoutNames(password, [...names, ...namesOf(owner)])
      if (own < fewestOwn) {
        throw broken('expected', {
          expected: `at least ${fewestOwn} letters and digits besides the names of the user and of this server`,
          length: own,
        })
      }
    },
  }
}

const lengthOf = (password: string) => [...password.normalize('NFC')].length

export const tooShort = (fewest: number, length?: number) =>
  broken('too_short', { expected: `at least ${fewest} characters`, length })

/** The unit that a text repeats, or the text itself. */
function unitOf(text: string): string {
  return text.slice(0, (text + text).indexOf(text, 1))
}

function broken(rule: string, detail: Record<string, unknown>): DomainError {
  return new DomainError('password_policy', { detail: { rule, ...detail } })
}

function namesOf({ email, username, name }: PasswordOwner): string[] {
  return [email, ...email.split('@'), username ?? '', ...(name?.split(/\s+/) ?? [])]
}

/** Number of letters, digits and other symbols without names, spaces and punctuation. */
function withoutNames(password: string, names: readonly string[]): number {
  const folded = (text: string) =>
    text
      .normalize('NFKC')
      .toLowerCase()
      .replaceAll(/[\s\p{P}]+/gu, '')
  const longestFirst = names
    .flatMap((name) => [folded(name), ...name.split(/[\s\p{P}]+/u).map(folded)])
    .filter((name) => [...name].length >= shortestName)
    .toSorted((a, b) => b.length - a.length)
  const given = folded(password)
  const left = longestFirst.reduce((rest, name) => rest.replaceAll(name, ''), given)
  return left === given ? Number.POSITIVE_INFINITY : [...left].length
}
