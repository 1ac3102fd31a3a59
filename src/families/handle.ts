import { equalInConstantTime, newHandle } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'

/**
 * A refresh token: 256 random bits, the family it belongs to, and a MAC over both. The bits alone make it secret; the
 * rest lets a token be recognised as one of a family long after its row was purged, so that reuse is always caught and
 * tables stay bounded all the same.
 *
 * `<43 characters><22 characters: family><22 characters: MAC>.e30`, base64url. What follows is nothing (`{}`): keycloak-js
 * takes no token that has no JSON there, as it expects a JWT.
 */
const handleLength = 43
const familyLength = 22
const ending = '.e30'
const tokenLength = handleLength + familyLength + 22 + ending.length

function tailOf(sealer: Sealer, head: string): string {
  return sealer.mac('refresh-token', head).slice(0, 22) + ending
}

export function newRefreshToken(sealer: Sealer, familyId: string): string {
  const head = newHandle() + familyId
  return head + tailOf(sealer, head)
}

/** Whether a string has the form of a refresh token of ours; no other handle has. */
export function looksLikeRefreshToken(token: string): boolean {
  return token.length === tokenLength
}

/** The family that a token of ours names; undefined for anything else. */
export function familyNamedBy(sealer: Sealer, token: string): string | undefined {
  if (!looksLikeRefreshToken(token)) return undefined
  const head = token.slice(0, handleLength + familyLength)
  const isOurs = equalInConstantTime(token.slice(head.length), tailOf(sealer, head))
  return isOurs ? head.slice(handleLength) : undefined
}
