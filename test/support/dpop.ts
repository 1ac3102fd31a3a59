import { createHash, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { TestServer } from './boot.ts'

/**
 * A key that makes DPoP proofs (RFC 9449 §4.2): for the token endpoint or another POST endpoint, or with a token for
 * userinfo or another URL. Dated now, or as given in seconds since the epoch.
 */
export async function prover(server: TestServer) {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  return (jti: string = randomUUID(), accessToken?: string, at?: string, issuedAt?: number) => {
    const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url')
    const [htm, path] = ath ? ['GET', at ?? '/userinfo'] : ['POST', at ?? '/token']
    return new SignJWT({ htm, htu: server.issuer + path, jti, ...(ath ? { ath } : {}) })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt(issuedAt)
      .sign(privateKey)
  }
}
