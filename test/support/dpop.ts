import { createHash, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { TestServer } from './boot.ts'

/**
 * A key that makes proofs of possession (RFC 9449 §4.2): for the token endpoint, or for a token at userinfo or another
 * address.
 */
export async function prover(server: TestServer) {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  return (jti: string = randomUUID(), accessToken?: string, at = '/userinfo') => {
    const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url')
    const [htm, path] = ath ? ['GET', at] : ['POST', '/token']
    return new SignJWT({ htm, htu: server.issuer + path, jti, ...(ath ? { ath } : {}) })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(privateKey)
  }
}
