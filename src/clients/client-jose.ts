import { createPublicKey } from 'node:crypto'
import { z } from 'zod'
import { privateKeyMembers } from '../secret-members.ts'
import { signingAlgs } from '../signing/signing-key.ts'
import { webUriFault } from './redirect-uri.ts'

/** Algorithms of what clients sign with a key of their own; never `none`. */
export const clientSigningAlgs = ['ES256', 'PS256', 'RS256', 'EdDSA', 'Ed25519'] as const
/** Algorithms of client assertions (RFC 7523); HS256 with the secret, only for `client_secret_jwt`. */
export const assertionAlgs = [...clientSigningAlgs, 'HS256'] as const
/** How answers may be encrypted to a key of the client (RFC 7518 §4, §5). */
export const encryptionAlgs = ['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'] as const
export const encryptionEncs = ['A256GCM', 'A128GCM', 'A128CBC-HS256', 'A256CBC-HS512'] as const

/** Bits of RSA keys: a longer modulus, or a large exponent, makes verifying as costly as signing. */
const modulusBits = { least: 2048, most: 8192 }
const longestExponent = 32

/** Order of the field of both curves (RFC 7748 §4.1). */
const prime = 2n ** 255n - 19n
const order8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n
/**
 * The coordinates of the points of small order: everybody can compute the secret that is agreed with them, and sign for
 * them (RFC 7748 §6.1, RFC 8032 §5.1.7).
 */
const smallOrder: Readonly<Record<string, readonly bigint[]>> = {
  Ed25519: [0n, 1n, prime - 1n, order8, prime - order8],
  X25519: [
    0n,
    1n,
    prime - 1n,
    325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  ],
}

/** Curves of the keys that are used here (RFC 7518 §6.2.1.1, RFC 8037 §2). */
const curves: readonly unknown[] = ['P-256', 'P-384', 'P-521', 'Ed25519', 'X25519']

/**
 * What is wrong with a key that a client publishes (RFC 7517), or undefined. Key types that are not used here pass: a
 * client may have them for other servers.
 */
export function publicKeyFault(jwk: Record<string, unknown>): string | undefined {
  const secret = privateKeyMembers.find((member) => member in jwk)
  if (secret !== undefined) return `must be a public key, but it has the private member "${secret}"`
  if (jwk['kty'] === 'oct') return 'must not be a symmetric key'
  const member = ['use', 'alg', 'kid'].find(
    (name) => !['undefined', 'string'].includes(typeof jwk[name]),
  )
  if (member !== undefined) return `must have a string as "${member}" (RFC 7517 §4)`
  if (jwk['key_ops'] !== undefined && !areOperations(jwk['key_ops'])) {
    return 'must have an array of distinct strings as "key_ops" (RFC 7517 §4.3)'
  }
  if (jwk['kty'] !== 'RSA') {
    if (!curves.includes(jwk['crv'])) return undefined
    if (!isKey(jwk)) return 'must be a point on its curve'
    return isOfSmallOrder(jwk) ? 'must not be a point of small order' : undefined
  }
  const bits = bitsOf(jwk['n'])
  if (bits < modulusBits.least) {
    return `must have a modulus of at least ${modulusBits.least} bits, it has ${bits}`
  }
  if (bits > modulusBits.most) {
    return `must have a modulus of at most ${modulusBits.most} bits, it has ${bits}`
  }
  const exponent = bitsOf(jwk['e'])
  if (exponent > longestExponent) {
    return `must have an exponent of at most ${longestExponent} bits, it has ${exponent}`
  }
  if (!isKey(jwk)) return 'must be a valid RSA key'
  // With an exponent of 1, anybody can sign (RFC 8017 §3.1).
  return exponent < 2 || !isOdd(jwk['e']) ? 'must have an odd exponent of at least 3' : undefined
}

const areOperations = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((each) => typeof each === 'string') &&
  new Set(value).size === value.length

function isKey(jwk: Record<string, unknown>): boolean {
  try {
    createPublicKey({ key: jwk, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** @param jwk a key of one of `curves` */
function isOfSmallOrder({ crv, x }: Record<string, unknown>): boolean {
  const points = smallOrder[crv as string]
  if (!points) return false
  // Little-endian; the highest bit is not part of the coordinate.
  const octets = Buffer.from(bytesOf(x).toReversed())
  const coordinate = BigInt(`0x${octets.toString('hex')}`) % 2n ** 255n
  return points.includes(coordinate % prime)
}

const bytesOf = (text: unknown) => Buffer.from(typeof text === 'string' ? text : '', 'base64url')

const isOdd = (number: unknown) => ((bytesOf(number).at(-1) ?? 0) & 1) === 1

function bitsOf(number: unknown): number {
  const bytes = bytesOf(number)
  const first = bytes.findIndex((byte) => byte !== 0)
  return first < 0 ? 0 : (bytes.length - first) * 8 - Math.clz32(bytes[first] as number) + 24
}

const jwk = z.looseObject({ kty: z.string().min(1) }).superRefine((key, context) => {
  const message = publicKeyFault(key)
  if (message) context.addIssue({ code: 'custom', message })
})

export const webUri = z.string().superRefine((uri, context) => {
  const message = webUriFault(uri)
  if (message) context.addIssue({ code: 'custom', message })
})

const signedBy = z.enum(clientSigningAlgs).optional()
const signedWith = z.enum(signingAlgs).optional()
const encryptedBy = z.enum(encryptionAlgs).optional()
const encryptedWith = z.enum(encryptionEncs).optional()

/**
 * Members of a client about its keys, and about what is signed and encrypted between it and this server (RFC 7591 §2,
 * OpenID Connect Registration §2, RFC 9101 §10.5, JARM §3, RFC 9701 §6). `id_token_scope_claims` is our own.
 */
export const joseMembers = {
  jwks: z.strictObject({ keys: z.array(jwk).min(1).max(20) }).optional(),
  jwks_uri: webUri.optional(),
  token_endpoint_auth_signing_alg: z.enum(assertionAlgs).optional(),
  client_assertion_audience: z.enum(['issuer', 'token_endpoint']).default('issuer'),
  request_object_signing_alg: signedBy,
  require_signed_request_object: z.boolean().default(false),
  id_token_signed_response_alg: z.enum(signingAlgs).default('RS256'),
  id_token_scope_claims: z.boolean().default(true),
  id_token_encrypted_response_alg: encryptedBy,
  id_token_encrypted_response_enc: encryptedWith,
  userinfo_signed_response_alg: signedWith,
  userinfo_encrypted_response_alg: encryptedBy,
  userinfo_encrypted_response_enc: encryptedWith,
  introspection_signed_response_alg: signedWith,
  introspection_encrypted_response_alg: encryptedBy,
  introspection_encrypted_response_enc: encryptedWith,
  authorization_signed_response_alg: signedWith,
  authorization_encrypted_response_alg: encryptedBy,
  authorization_encrypted_response_enc: encryptedWith,
}
