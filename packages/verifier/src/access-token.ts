import { type CryptoKey, compactVerify } from 'jose'
import { now } from './clock.ts'
import { invalidToken, shown } from './faults.ts'
import { parseJws } from './jws.ts'
import type { KeySet } from './key-set.ts'

/** Claims of a JWT access token (RFC 9068 §2.2), with those that Keyturn adds. */
export interface AccessTokenClaims {
  iss: string
  aud: string | [string]
  sub: string
  client_id: string
  /** Seconds since the epoch. */
  exp: number
  iat: number
  nbf?: number
  jti: string
  scope?: string
  /** How the user authenticated. */
  acr?: string
  amr?: string[]
  auth_time?: number
  /** The key or certificate that the token is bound to (RFC 7800). */
  cnf?: { jkt?: string; 'x5t#S256'?: string }
  tenant_id?: string
  /** The session at this client, the refresh-token family and the grant. */
  sid?: string
  fid?: string
  gid?: string
  [name: string]: unknown
}

export interface TokenExpectations {
  issuer: string
  audience: string
  algorithms: readonly string[]
  /** Seconds. */
  clockTolerance: number
  tenant?: string | undefined
}

/** Most characters of a token. Keyturn's have less than two thousand. */
const longest = 16_384
const texts = ['iss', 'sub', 'client_id', 'jti'] as const
const optionalTexts = ['scope', 'acr', 'tenant_id', 'sid', 'fid', 'gid'] as const
const times = ['exp', 'iat'] as const
const optionalTimes = ['nbf', 'auth_time'] as const

/**
 * Verifies a JWT access token offline (RFC 9068 §4); only keys may be fetched. In this order:
 *
 * | check                                                                    | refused as             |
 * |--------------------------------------------------------------------------|------------------------|
 * | length, three parts, canonical base64url, JSON without duplicate members | `form`                 |
 * | no key and no nested token in the header                                 | `header`               |
 * | `typ` is `at+jwt`                                                        | `type`                 |
 * | the algorithm is allowed                                                 | `algorithm`            |
 * | issuer, audience, times, claims, tenant                                  | `issuer`, `audience` … |
 * | the issuer has a key with this `kid`                                     | `key`                  |
 * | the signature                                                            | `signature`            |
 *
 * The claims are checked before the signature, as that is cheap; they are returned only after it has been verified.
 * @throws TokenRefused
 * @throws Unavailable
 */
export async function verifyAccessToken(
  token: string,
  expected: TokenExpectations,
  keys: KeySet,
): Promise<AccessTokenClaims> {
  const { algorithms } = expected
  const { header, payload } = parseJws(token, { type: 'at+jwt', algorithms, longest })
  const claims = checkClaims(payload, expected)
  await verifySignature(token, await keys.find(header['kid'], header.alg), header.alg)
  return claims
}

/** @throws TokenRefused */
export async function verifySignature(jws: string, key: CryptoKey, alg: string): Promise<void> {
  try {
    await compactVerify(jws, key, { algorithms: [alg] })
  } catch (error) {
    throw invalidToken('signature', 'the signature is not valid', error)
  }
}

function checkClaims(payload: Record<string, unknown>, expected: TokenExpectations) {
  const wrong = wrongClaim(payload)
  if (wrong !== undefined) throw invalidToken('claims', `${wrong} is missing or has the wrong type`)
  const claims = payload as unknown as AccessTokenClaims
  const { iss, aud, exp, iat, nbf, tenant_id: tenant } = claims
  if (iss !== expected.issuer) {
    throw invalidToken('issuer', `iss: expected ${expected.issuer}, got ${shown(iss)}`)
  }
  // Exactly one audience: another API that receives a shared token could use it here.
  if ((Array.isArray(aud) && aud.length === 1 ? aud[0] : aud) !== expected.audience) {
    throw invalidToken('audience', `aud: expected ${expected.audience}, got ${shown(aud)}`)
  }
  const { clockTolerance } = expected
  // The number of seconds shows by how much a clock is wrong.
  const over = Math.round(now() - exp)
  if (exp <= now() - clockTolerance) throw invalidToken('time', `it expired ${over} seconds ago`)
  const early = Math.max(iat, nbf ?? 0) - now()
  if (early > clockTolerance) {
    throw invalidToken('time', `it is not valid for another ${Math.round(early)} seconds`)
  }
  if (expected.tenant !== undefined && tenant !== expected.tenant) {
    throw invalidToken('tenant', `tenant_id: expected ${expected.tenant}, got ${shown(tenant)}`)
  }
  return claims
}

function wrongClaim(payload: Record<string, unknown>): string | undefined {
  const isText = (value: unknown) => typeof value === 'string' && value !== ''
  const isTime = (value: unknown) => typeof value === 'number' && Number.isFinite(value)
  const isObject = (value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  const { aud, cnf } = payload
  const isPresent = (name: string) => payload[name] !== undefined
  return (
    texts.find((name) => !isText(payload[name])) ??
    times.find((name) => !isTime(payload[name])) ??
    optionalTexts.find((name) => isPresent(name) && typeof payload[name] !== 'string') ??
    optionalTimes.find((name) => isPresent(name) && !isTime(payload[name])) ??
    (isText(aud) || Array.isArray(aud) ? undefined : 'aud') ??
    (cnf === undefined || isObject(cnf) ? undefined : 'cnf')
  )
}
