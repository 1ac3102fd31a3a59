import { setBounded } from '../bounded-map.ts'
import type { AccessTokenClaims } from './structured-tokens.ts'

/** A cache of verified tokens, so that asking for one again costs no verification. */
export interface VerifiedTokens {
  /** The claims of an unexpired token. @param now seconds since the epoch */
  get(hash: string, now: number): AccessTokenClaims | undefined
  keep(hash: string, claims: AccessTokenClaims): void
}

/**
 * One bound for the process, however many tenants it has: beyond it, the token that was verified longest ago is
 * dropped.
 * @returns makes a separate cache for one key set
 */
export function createVerifiedTokens(most: number): () => VerifiedTokens {
  const verified = new Map<string, AccessTokenClaims>()
  let keySets = 0
  return () => {
    const own = keySets++
    return {
      get(hash, now) {
        const key = `${own} ${hash}`
        const claims = verified.get(key)
        if (claims === undefined || (claims.exp as number) > now) return claims
        verified.delete(key)
        return undefined
      },
      keep(hash, claims) {
        setBounded(verified, `${own} ${hash}`, claims, most)
      },
    }
  }
}

export const verifiedByKeySet = createVerifiedTokens(5000)
