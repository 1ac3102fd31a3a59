import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JWK, jwtVerify } from 'jose'

/** What somebody else signed, before anybody knows whether they did. */
export interface ForeignJwt {
  issuer: string | undefined
  alg: string | undefined
  kid: string | undefined
  claims: Record<string, unknown>
}

/** Bytes. */
const largest = 8192

/** Reads a JWT in the compact form; undefined for what is none. It says nothing of its signature. */
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

/** Seconds that the clock of an issuer may be away from ours. */
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
