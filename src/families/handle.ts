import { equalInConstantTime, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'

/**
 * Refresh tokens: 256 random bits, as every handle, then the family, then a MAC over both. Only the first part is secret.
 * The rest lets a token be recognised as one of a family long after its row was purged, so that reuse is always caught
 * and tables stay bounded all the same.
 *
 * `<43 characters><22 characters: family><22 characters: MAC>.e30`, base64url. The ending means nothing (`{}`):
 * keycloak-js takes no token that has no JSON there, as it expects a JWT. Those that were issued without it stay good.
 */
const [handleLength, familyLength, macLength] = [43, 22, 22]
const form = new RegExp(`^[\\w-]{${handleLength + familyLength + macLength}}(\\.e30)?$`)

const macOf = (sealer: Sealer, head: string) =>
  sealer.mac('refresh-token', head).slice(0, macLength)

export function newRefreshToken(sealer: Sealer, familyId: string): string {
  const head = newHandle() + familyId
  return `${head}${macOf(sealer, head)}.e30`
}

/** Whether a string has the form of a refresh token of ours; no other handle has. */
export const looksLikeRefreshToken = (token: string): boolean => form.test(token)

/** The family that a token of ours names; undefined for anything else. */
export function familyNamedBy(sealer: Sealer, token: string): string | undefined {
  if (!looksLikeRefreshToken(token)) return undefined
  const head = token.slice(0, handleLength + familyLength)
  const mac = token.slice(head.length, head.length + macLength)
  const isOurs = equalInConstantTime(mac, macOf(sealer, head))
  return isOurs ? head.slice(handleLength) : undefined
}
