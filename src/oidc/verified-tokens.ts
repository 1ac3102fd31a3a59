import { setBounded } from '../bounded-map.ts'
import type { AccessTokenClaims } from './structured-tokens.ts'

/** Tokens whose signature is known to be right, so that who asks for one again costs no verification. */
export interface VerifiedTokens {
  /** What a token says that has not expired. @param now seconds since the epoch */
  get(hash: string, now: number): AccessTokenClaims | undefined
  keep(hash: string, claims: AccessTokenClaims): void
}

/**
 * One bound for all of a process, however many tenants it has: beyond it the token that was verified longest ago is forgotten.
 * @returns opens what one key set has verified, which no other one is told
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
