import { base64url } from 'jose'
import { invalidToken, shown } from './faults.ts'
import { parseObject } from './json.ts'

/** A JWS in compact form, taken apart and not verified yet. */
export interface ParsedJws {
  header: Record<string, unknown> & { alg: string }
  payload: Record<string, unknown>
}

/** Algorithms that a verifier may allow: whoever can verify must not be able to sign (RFC 8725 §3.1). */
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
 * Header parameters that would bring a key along, change what is signed, or hide another token inside. No token of a
 * Keyturn server has one; whoever sends one hopes that somebody looks.
 */
const suspicious = ['crit', 'b64', 'jwk', 'jku', 'x5u', 'x5c', 'cty', 'zip', 'enc', 'epk', 'p2s']

interface Form {
  /** `typ`, in lower case and without `application/`. */
  type: string
  algorithms: readonly string[]
  /** Characters. */
  longest: number
  /** Header parameters of `suspicious` that belong to this kind of JWS. */
  expected?: readonly string[]
  /** Whether a member may be there twice: only where nobody but the issuer can have written it, and it is large. */
  mayRepeat?: true
}

/**
 * Takes a JWS apart and checks all that can be checked without a key, cheapest first.
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
      throw invalidToken('form', 'expected JSON objects without a member twice', error)
    }
  }) as [Record<string, unknown>, Record<string, unknown>]

  const strange = suspicious.find((name) => name in header && !expected?.includes(name))
  if (strange !== undefined) throw invalidToken('header', `the header has ${strange}`)
  const { alg, typ } = header
  // RFC 7515 §4.1.9: media types are compared without case, and without their usual prefix. Before the algorithm, so that
  // whoever sends an ID token hears of that, and not of its algorithm.
  if (typeof typ !== 'string' || typ.toLowerCase().replace(/^application\//, '') !== type) {
    const hint = type === 'at+jwt' && typ === undefined ? ', as an ID token has' : ''
    throw invalidToken('type', `typ: expected ${type}, got ${shown(typ)}${hint}`)
  }
  if (typeof alg !== 'string' || !algorithms.includes(alg)) {
    throw invalidToken('algorithm', `alg: expected ${algorithms.join(' or ')}, got ${shown(alg)}`)
  }
  return { header: { ...header, alg }, payload }
}

/** One string for one token: bits that decode to nothing must not make another one (RFC 4648 §3.5). */
function canonicalBytes(part: string): Uint8Array {
  // Looks for what is wrong: a pattern of the whole keeps a place to go back to for each of millions of characters.
  if (part === '' || /[^\w-]/.test(part)) throw invalidToken('form', 'expected base64url')
  const bytes = base64url.decode(part)
  if (base64url.encode(bytes) !== part) throw invalidToken('form', 'expected canonical base64url')
  return bytes
}
