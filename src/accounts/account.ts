import { asLine } from '../line.ts'
import { present } from '../present.ts'
/** An End-User (OpenID Connect Core §1.2) or an operator; only `roles` differs. */
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

/** What a person says about themself; an absent member is removed. */
export type Profile = Pick<Account, 'name' | 'username'>

export const roles = ['operator'] as const
export type Role = (typeof roles)[number]

/**
 * The normalised form in which identifiers are compared: `User`, `user` and ` user ` are one person, also in full-width
 * letters (security class C9).
 */
export function identifierKey(identifier: string): string {
  return identifier.normalize('NFKC').trim().toLowerCase()
}

/** In characters. */
const longestName = 200
/** Private use, lone surrogates, line and paragraph separators. */
const unshowable = /[\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u

/**
 * Whether a name or user name can be shown on a page. Holds for names that people choose and for those that operators
 * declare.
 */
export function isShowable(name: string): boolean {
  return name.length <= longestName && !unshowable.test(name) && asLine(name) === name
}

/** Invisible characters: formats, Unicode's Default_Ignorable_Code_Point, Braille's blank. */
const unseen = /[\p{Cf}\p{DI}\u2800]/u

/** Whether a text has invisible characters, so that two different texts may look the same. */
export const hasUnseen = (text: string): boolean => unseen.test(text)

const alphabets = ['Latin', 'Greek', 'Cyrillic', 'Coptic', 'Armenian', 'Cherokee', 'Lisu'].map(
  (name) => new RegExp(`\\p{Script=${name}}`, 'u'),
)

/**
 * Whether a user name may imitate another: it has invisible characters, or mixes alphabets with similar letters (UTS
 * #39 §5.2). Applications show user names to others.
 */
export function looksLikeAnother(username: string): boolean {
  const mixed = alphabets.filter((alphabet) => alphabet.test(username.normalize('NFKC')))
  // HTML collapses several spaces into one.
  return hasUnseen(username) || /\s\s/.test(username) || mixed.length > 1
}

/** Claims of an account by scope (OpenID Connect Core §5.4). */
export const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'preferred_username', 'updated_at'],
  email: ['email', 'email_verified'],
} satisfies Record<string, string[]>

/** All claims of an account; the engine filters them by the granted scopes. */
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
