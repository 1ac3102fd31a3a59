import { FlattenedSign } from 'jose'

/** The same claims in a JWT with an unencoded payload (RFC 7797 §3), signed by ES256; no library creates one. */
export async function unencoded(
  jwt: string,
  key: Parameters<FlattenedSign['sign']>[0],
): Promise<string> {
  const [, payload = ''] = jwt.split('.')
  const { protected: head, signature } = await new FlattenedSign(Buffer.from(payload))
    .setProtectedHeader({ alg: 'ES256', crit: ['b64'], b64: false })
    .sign(key)
  return `${head}.${payload}.${signature}`
}
