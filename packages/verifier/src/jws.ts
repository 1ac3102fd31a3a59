import { base64url } from 'jose'
import { invalidToken, shown } from './faults.ts'
import { parseObject } from './json.ts'

/** A parsed, unverified JWS in compact serialization. */
export interface ParsedJws {
  header: Record<string, unknown> & { alg: string }
  payload: Record<string, unknown>
}

/** Algorithms that a verifier may allow. Asymmetric ones only: a verifier must not be able to sign (RFC 8725 §3.1). */
export const asymmetric = [
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'PS256',
  'PS384',
  'PS512',
  'RS256',
  'RS384',
  'RS512',
]

/**
 * Header parameters that bring a key along, change what is signed, or nest another token. No token of a Keyturn server
 * has one.
 */
const suspicious = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'cty', 'zip', 'enc', 'epk', 'p2s']

interface Form {
  /** `typ`, in lower case and without `application/`. */
  type: string
  algorithms: readonly string[]
  /** Characters. */
  longest: number
  /** The `suspicious` header parameters that this kind of JWS may have. */
  expected?: readonly string[]
  /** Whether duplicate members are tolerated: only for large documents that none but the issuer can have written. */
  mayRepeat?: true
}

/**
 * Parses a JWS and does all checks that need no key, cheapest first.
 * @throws TokenRefused
 */
export function parseJws(token: string, form: Form): ParsedJws {
  const { type, algorithms, longest, expected, mayRepeat } = form
  if (token.length > longest) throw invalidToken('form', `longer than ${longest} characters`)
  const parts = token.split('.')
  if (parts.length !== 3) {
    throw invalidToken('form', `expected a JWT, of 3 parts; got ${parts.length}`)
  }
  const [header, payload] = parts.map(canonicalBytes).map((bytes, i) => {
    if (i === 2) return {}
    try {
      return parseObject(bytes, mayRepeat)
    } catch (error) {
      throw invalidToken('form', 'expected JSON objects without duplicate members', error)
    }
  }) as [Record<string, unknown>, Record<string, unknown>]

  const strange = suspicious.find((name) => name in header && !expected?.includes(name))
  if (strange !== undefined) throw invalidToken('header', `the header has ${strange}`)
  const { alg, typ } = header
  // RFC 7515 §4.1.9: media types are case-insensitive, and `application/` may be omitted. Checked before the algorithm,
  // so that the caller who sends an ID token is told so, and not about its algorithm.
  if (typeof typ !== 'string' || typ.toLowerCase().replace(/^application\//, '') !== type) {
    const hint = type === 'at+jwt' && typ === undefined ? ', as an ID token has' : ''
    throw invalidToken('type', `typ: expected ${type}, got ${shown(typ)}${hint}`)
  }
  if (typeof alg !== 'string' || !algorithms.includes(alg)) {
    throw invalidToken('algorithm', `alg: expected ${algorithms.join(' or ')}, got ${shown(alg)}`)
  }
  return { header: { ...header, alg }, payload }
}

/**
 * Decodes base64url in canonical form only: each token has one spelling, without stray trailing bits (RFC 4648 §3.5).
 */
function canonicalBytes(part: string): Uint8Array {
  // Searches for one invalid character: a pattern for the whole text would keep millions of backtracking positions.
  if (part === '' || /[^\w-]/.test(part)) throw invalidToken('form', 'expected base64url')
  const bytes = base64url.decode(part)
  if (base64url.encode(bytes) !== part) throw invalidToken('form', 'expected canonical base64url')
  return bytes
}
