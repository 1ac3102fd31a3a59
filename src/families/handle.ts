import { equalInConstantTime, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'

/**
 * Refresh tokens: 256 random bits, as in every handle, then the family id, then a MAC over both. Only the first part is
 * secret. The rest identifies the family long after the row of the token was purged: reuse is always caught, although
 * tables stay bounded.
 *
 * `<43 characters><22 characters: family><22 characters: MAC>.e30`, base64url. The ending (`{}`) means nothing:
 * keycloak-js expects a JWT and refuses a token without JSON there. Tokens that were issued without it stay valid.
 */
const [handleLength, familyLength, macLength] = [43, 22, 22]
const form = new RegExp(`^[\\w-]{${handleLength + familyLength + macLength}}(\\.e30)?$`)

const macOf = (sealer: Sealer, head: string) =>
  sealer.mac('refresh-token', head).slice(0, macLength)

export function newRefreshToken(sealer: Sealer, familyId: string): string {
  const head = newHandle() + familyId
  return `${head}${macOf(sealer, head)}.e30`
}

/** Whether a string has the form of this server's refresh tokens; no other handle has. */
export const looksLikeRefreshToken = (token: string): boolean => form.test(token)

/** The family that a refresh token of this server names; undefined for anything else. */
export function familyNamedBy(sealer: Sealer, token: string): string | undefined {
  if (!looksLikeRefreshToken(token)) return undefined
  const head = token.slice(0, handleLength + familyLength)
  const mac = token.slice(head.length, head.length + macLength)
  const isOurs = equalInConstantTime(mac, macOf(sealer, head))
  return isOurs ? head.slice(handleLength) : undefined
}
