import { createECDH, hkdfSync } from 'node:crypto'
import type { JWK } from 'oidc-provider'
import { derivedId } from '../secrets/handle.ts'

/** How request objects may be encrypted to this server (RFC 9101 §6.1); it has one key for that. */
export const ownEncryptionAlg = 'ECDH-ES'

/**
 * The key that clients encrypt request objects to, made from a shared secret: every node has it without a table of its
 * own. It does not rotate; what it protects is worth nothing after a few minutes.
 * @param secret 32 bytes
 */
export function encryptionKey(secret: Buffer): JWK {
  const curve = createECDH('prime256v1')
  // A number above the order of the curve is no key: one in 2^32 numbers is.
  for (let attempt = 0; ; attempt++) {
    const d = Buffer.from(hkdfSync('sha256', secret, '', `keyturn encryption ${attempt}`, 32))
    try {
      curve.setPrivateKey(d)
    } catch {
      continue
    }
    const point = curve.getPublicKey()
    const x = point.toString('base64url', 1, 33)
    const y = point.toString('base64url', 33)
    return {
      kty: 'EC',
      crv: 'P-256',
      x,
      y,
      d: d.toString('base64url'),
      kid: derivedId('encryption', x, y),
      use: 'enc',
      alg: ownEncryptionAlg,
    }
  }
}
