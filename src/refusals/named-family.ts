import type { CheckName } from './checks.ts'
import type { Refusal } from './refusal.ts'

/** Checks that a refresh token did not pass for what became of its family. */
export const ofRefreshTokens: ReadonlySet<CheckName> = new Set([
  'refresh_token_known',
  'refresh_token_once',
  'refresh_token_current',
])

/** What is kept of a refresh token that was refused: how long it was, and the family that it names. */
export const receivedOf = (masked: string, family: string): string =>
  `${masked} of family ${family}`

/** The same of an access token whose signature nobody looked at. */
export const claimedOf = (said: string, family: string): string =>
  `${said}, which claims to be of family ${family}`

/** @returns `isCertain`: no stranger can have made the token that names it */
export function familyNamedIn({
  check,
  received = '',
}: Pick<Refusal, 'check' | 'received'>): { id: string; isCertain: boolean } | undefined {
  const isCertain = ofRefreshTokens.has(check)
  if (!isCertain && check !== 'access_token_valid') return undefined
  const id = / of family ([\w-]{22})$/.exec(received)?.[1]
  return id === undefined ? undefined : { id, isCertain }
}
