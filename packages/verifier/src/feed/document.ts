import { verifySignature } from '../access-token.ts'
import { now } from '../clock.ts'
import { parseJws } from '../jws.ts'
import type { KeySet } from '../key-set.ts'

/** A signed list of what was revoked, or what was added to one. */
export interface RevocationDocument {
  /** Milliseconds since the epoch, by the issuer's clock: complete up to then. */
  asOf: number
  /** What to ask from, the next time. */
  cursor: string
  /** What it continues from; undefined for all of it. */
  since: string | undefined
  revoked: RevokedClaims
}

/**
 * Claim → value → `[issuedUpTo, expiresAt]`, both in seconds since the epoch: a token with that value that was issued up
 * to `issuedUpTo` is denied, whenever it was issued where that is `null`; after `expiresAt` no such token is left.
 */
export type RevokedClaims = Record<string, Record<string, [number | null, number]>>

/** Characters: about half a million entries. */
const longest = 64 * 1024 * 1024

/**
 * @throws TokenRefused when it is not signed by the issuer, for somebody else, or proves nothing any more
 * @throws Unavailable when the key that signed it cannot be had
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
  if (iss !== issuer) throw new Error('the document is of another issuer')
  if (aud !== audience) throw new Error('the document is for another audience')
  if (typeof exp !== 'number' || exp <= now() - clockTolerance) {
    throw new Error('the document has expired: it proves nothing any more')
  }
  if (typeof asOf !== 'number' || typeof cursor !== 'string' || !isRevoked(revoked)) {
    throw new Error('expected as_of, cursor and revoked')
  }
  if (since !== undefined && typeof since !== 'string') throw new Error('since is no text')
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
