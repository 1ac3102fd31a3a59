import { asLine } from '../line.ts'
import { present } from '../present.ts'
/** An End-User (OpenID Connect Core §1.2), or an operator: what differs is `roles`. */
export interface Account {
  tenant: string
  /** The `sub`: a UUID, never reused. */
  id: string
  email: string
  emailVerified: boolean
  username?: string
  name?: string
  roles: Role[]
  disabled: boolean
  /** Seconds since the epoch. */
  updatedAt: number
}

/** What a person says of themself; what is absent is taken away. */
export type Profile = Pick<Account, 'name' | 'username'>

export const roles = ['operator'] as const
export type Role = (typeof roles)[number]

/**
 * The form in which identifiers are compared: `User`, `user` and ` user ` are one person, also in full-width letters
 * (security class C9).
 */
export function identifierKey(identifier: string): string {
  return identifier.normalize('NFKC').trim().toLowerCase()
}

/** In characters. */
const longestName = 200
/** Private use, halves of a character, separators of lines and paragraphs. */
const unshowable = /[\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u

/** Whether what people say of themselves fits a page, as their name or user name, and what operators may declare. */
export function isShowable(name: string): boolean {
  return name.length <= longestName && !unshowable.test(name) && asLine(name) === name
}

/** What takes no room, or shows nothing: formats, Unicode's Default_Ignorable_Code_Point, Braille's blank. */
const unseen = /[\p{Cf}\p{DI}\u2800]/u

/** Whether something in it cannot be seen, so that two texts would look like one. */
export const hasUnseen = (text: string): boolean => unseen.test(text)

const alphabets = ['Latin', 'Greek', 'Cyrillic', 'Coptic', 'Armenian', 'Cherokee', 'Lisu'].map(
  (name) => new RegExp(`\\p{Script=${name}}`, 'u'),
)

/**
 * Whether a user name could be made to look like somebody's: with what cannot be seen, or from several alphabets that
 * have letters alike (UTS #39 §5.2), since applications show it to others.
 */
export function looksLikeAnother(username: string): boolean {
  const mixed = alphabets.filter((alphabet) => alphabet.test(username.normalize('NFKC')))
  // Pages show several spaces as one.
  return hasUnseen(username) || /\s\s/.test(username) || mixed.length > 1
}

/** Claims of an account by scope (OpenID Connect Core §5.4). */
export const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
} satisfies Record<string, string[]>

/** Every claim of an account; the engine filters them by what was granted. */
export function claimsOf(account: Account): { sub: string } & Record<string, unknown> {
  return {
    sub: account.id,
    ...present({ name: account.name }),
    preferred_username: account.username ?? account.email,
    updated_at: account.updatedAt,
    email: account.email,
    email_verified: account.emailVerified,
  }
}
