import { z } from 'zod'

/** Algorithms of client assertions (RFC 7523) and other objects that clients sign; never `none`. */
export const assertionAlgs = ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519', 'HS256'] as const

const shortestModulus = 2048
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/**
 * What is wrong with a key that a client publishes (RFC 7517), or undefined. Keys of a kind that is not used here are
 * let pass: a client may have them for others.
 */
function publicKeyFault(jwk: Record<string, unknown>): string | undefined {
  const secret = privateMembers.find((member) => member in jwk)
  if (secret !== undefined) return `must be a public key, it has the private member "${secret}"`
  if (jwk['kty'] === 'oct') return 'must not be symmetric'
  if (jwk['kty'] !== 'RSA') return undefined
  const { n } = jwk
  const bits = typeof n === 'string' ? Buffer.from(n, 'base64url').length * 8 : 0
  return bits < shortestModulus
    ? `must have a modulus of at least ${shortestModulus} bits, it has ${bits}`
    : undefined
}

const jwk = z.looseObject({ kty: z.string().min(1) }).superRefine((key, context) => {
  const message = publicKeyFault(key)
  if (message) context.addIssue({ code: 'custom', message })
})

/** A client's key set by value (RFC 7591 §2). */
export const clientJwks = z.strictObject({ keys: z.array(jwk).min(1).max(20) })
