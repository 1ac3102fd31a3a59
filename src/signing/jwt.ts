import type { PrivateKey } from './signer.ts'
import type { SigningKey } from './signing-key.ts'

/**
 * Signs a JWT in the compact form (RFC 7515 §7.1).
 * @param typ the purpose, such as `logout+jwt`, so that it cannot be used for another (RFC 8725 §3.11)
 */
export async function signedJwt(
  key: SigningKey & PrivateKey,
  typ: string,
  claims: Record<string, unknown>,
): Promise<string> {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: key.alg, typ, kid: key.kid })}.${part(claims)}`
  const signature = await key.sign(Buffer.from(signed))
  return `${signed}.${Buffer.from(signature).toString('base64url')}`
}
