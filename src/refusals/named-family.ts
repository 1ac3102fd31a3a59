import type { CheckName } from './checks.ts'
import type { Refusal } from './refusal.ts'

/** Checks that a refresh token fails because of the state of its family. */
export const ofRefreshTokens: ReadonlySet<CheckName> = new Set([
  'refresh_token_known',
  'refresh_token_once',
  'refresh_token_current',
])

/** What is stored of a refused refresh token: its length and its family. */
export const receivedOf = (masked: string, family: string): string =>
  `${masked} of family ${family}`

/** The same for an access token whose signature was not verified. */
export const claimedOf = (said: string, family: string): string =>
  `${said}, which claims to be of family ${family}`

/** @returns `isCertain`: only we can have made a token that names this family */
export function familyNamedIn({
  check,
  received = '',
}: Pick<Refusal, 'check' | 'received'>): { id: string; isCertain: boolean } | undefined {
  const isCertain = ofRefreshTokens.has(check)
  if (!isCertain && check !== 'access_token_valid') return undefined
  const id = / of family ([\w-]{22})$/.exec(received)?.[1]
  return id === undefined ? undefined : { id, isCertain }
}
