import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JWK, jwtVerify } from 'jose'

/** A JWT of another issuer, not verified yet. */
export interface ForeignJwt {
  issuer: string | undefined
  alg: string | undefined
  kid: string | undefined
  claims: Record<string, unknown>
}

/** Bytes. */
const largest = 8192

/** Reads a compact JWT without verifying it; undefined for anything else. */
export function readForeignJwt(jwt: unknown): ForeignJwt | undefined {
  if (typeof jwt !== 'string' || jwt.length > largest) return undefined
  try {
    const { alg, kid } = decodeProtectedHeader(jwt)
    const claims = decodeJwt(jwt) as Record<string, unknown>
    const issuer = claims['iss']
    return { alg, kid, claims, issuer: typeof issuer === 'string' ? issuer : undefined }
  } catch {
    return undefined
  }
}

/** Seconds by which the clock of an issuer may differ from ours. */
const clockTolerance = 60

/**
 * Verifies signature, algorithm, issuer, `exp` and `nbf` (RFC 7519 §7.2), and `aud` where there is one.
 * @returns what is wrong, or undefined
 */
export async function foreignJwtFault(
  jwt: string,
  keys: readonly JWK[],
  {
    issuer,
    algorithms,
    audience,
    now,
  }: { issuer: string; algorithms: readonly string[]; audience: string; now: number },
): Promise<string | undefined> {
  const { claims } = readForeignJwt(jwt) ?? {}
  try {
    await jwtVerify(jwt, createLocalJWKSet({ keys: [...keys] }), {
      issuer,
      algorithms: [...algorithms],
      clockTolerance,
      currentDate: new Date(now),
      ...(claims?.['aud'] === undefined ? {} : { audience }),
    })
    return undefined
  } catch (error) {
    const { code = 'unknown', message } = error as Error & { code?: string }
    return `${code}: ${message}`
  }
}
