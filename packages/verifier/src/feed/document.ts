import { verifySignature } from '../access-token.ts'
import { now } from '../clock.ts'
import { parseJws } from '../jws.ts'
import type { KeySet } from '../key-set.ts'

/** A signed list of revocations: a full list or a delta. */
export interface RevocationDocument {
  /** Milliseconds since the epoch, by the issuer's clock: the list is complete up to then. */
  asOf: number
  /** The cursor for the next request. */
  cursor: string
  /** The cursor that a delta continues from; undefined for a full list. */
  since: string | undefined
  revoked: RevokedClaims
}

/**
 * Claim → value → `[issuedUpTo, expiresAt]`, both in seconds since the epoch. Denies tokens with that claim value that
 * were issued up to `issuedUpTo` (`null`: whenever they were issued). After `expiresAt` all such tokens have expired.
 */
export type RevokedClaims = Record<string, Record<string, [number | null, number]>>

/** Most characters: about half a million entries. */
const longest = 64 * 1024 * 1024

/**
 * Parses and verifies a document.
 * @throws Error when it is from another issuer, for another audience, expired or malformed
 * @throws TokenRefused when it is no valid JWS of this type, or its signature is wrong
 * @throws Unavailable when the key that signed it cannot be fetched
 */
export async function readDocument(
  jws: string,
  {
    issuer,
    audience,
    algorithms,
    clockTolerance,
  }: { issuer: string; audience: string; algorithms: readonly string[]; clockTolerance: number },
  keys: KeySet,
): Promise<RevocationDocument> {
  const form = { type: 'revocations+jwt', algorithms, longest, mayRepeat: true } as const
  const { header, payload } = parseJws(jws, form)
  const { iss, aud, exp, as_of: asOf, cursor, since, revoked } = payload
  if (iss !== issuer) throw new Error('the document is from another issuer')
  if (aud !== audience) throw new Error('the document is for another audience')
  if (typeof exp !== 'number' || exp <= now() - clockTolerance) {
    throw new Error('the document has expired')
  }
  if (typeof asOf !== 'number' || typeof cursor !== 'string' || !isRevoked(revoked)) {
    throw new Error('expected as_of, cursor and revoked')
  }
  if (since !== undefined && typeof since !== 'string') throw new Error('since: expected a string')
  await verifySignature(jws, await keys.find(header['kid'], header.alg), header.alg)
  return { asOf, cursor, since, revoked }
}

function isRevoked(value: unknown): value is RevokedClaims {
  const isObject = (each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
  return (
    isObject(value) &&
    Object.values(value as object).every(
      (entries) =>
        isObject(entries) &&
        Object.values(entries as object).every(
          (entry) =>
            Array.isArray(entry) &&
            (entry[0] === null || typeof entry[0] === 'number') &&
            typeof entry[1] === 'number',
        ),
    )
  )
}
