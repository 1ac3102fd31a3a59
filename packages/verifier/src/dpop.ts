import { base64url, type CryptoKey, calculateJwkThumbprint, importJWK, type JWK } from 'jose'
import { verifySignature } from './access-token.ts'
import type { Presented } from './binding.ts'
import { now } from './clock.ts'
import type { DpopNonces } from './dpop-nonces.ts'
import { shown, TokenRefused } from './faults.ts'
import { parseJws } from './jws.ts'
import type { ReplayMemory } from './replay-memory.ts'

export interface DpopOptions {
  /**
   * The public URL of this API, as proofs name it in `htu`: `https://orders.example.com`, with any path prefix that a
   * proxy strips. It is not taken from the request, where an attacker who replays a proof controls it.
   */
  url: string
  /** Whether to refuse tokens that are not bound to a key. */
  required?: boolean
  /** Allowed algorithms of proofs; ES256, Ed25519 and EdDSA by default, as at the issuer. */
  algorithms?: string[]
  /** Seconds that a proof is accepted; 60 by default. */
  maxAge?: number
  /**
   * Most proofs that are remembered to detect replays; 100,000 by default, at 90 to 400 bytes each. One key may take a
   * tenth of them, at most 1,000: a client that makes more within a second is refused, and only that one.
   */
  remembered?: number
  /**
   * Requires a nonce in every proof (RFC 9449 §9). The secret, of at least 32 characters, must be the same in every
   * process of this API; nothing is stored.
   */
  nonce?: { secret: string }
}

export const proofAlgorithms = ['ES256', 'Ed25519', 'EdDSA']
const proofAge = 60

const longest = 8192
const longestId = 256
/** Seconds that a client's clock may be ahead. */
const ahead = 30

/**
 * Checks a DPoP proof (RFC 9449 §4.3) for a token that is bound to the key `jkt`; everything but reuse.
 * @returns consumes the proof; throws TokenRefused when it was used before. Call it last, so that proofs refused for
 *   another reason take no memory
 * @throws TokenRefused
 */
export async function checkProof(
  token: string,
  jkt: string,
  { proof, method, target }: Presented,
  options: DpopOptions & { memory: ReplayMemory; nonces?: DpopNonces | undefined },
): Promise<() => void> {
  const refuse = (why: string, cause?: unknown) =>
    new TokenRefused('invalid_dpop_proof', 'proof', why, cause)
  if (proof === undefined) throw refuse('expected one proof in the DPoP header')
  const { algorithms = proofAlgorithms, maxAge = proofAge } = options
  const form = { type: 'dpop+jwt', algorithms, longest, expected: ['jwk'] }
  try {
    const { header, payload } = parseJws(proof, form)
    const jwk = header['jwk'] as JWK
    await verifySignature(proof, await publicKeyIn(jwk, header.alg), header.alg)

    const { htm, htu, iat, jti, ath, nonce } = payload
    if (htm !== method) throw refuse(`htm: expected ${method}, got ${shown(htm)}`)
    const addresses = addressesAt(options.url, target ?? '')
    if (typeof htu !== 'string' || !addresses.includes(addressOf(htu) ?? '')) {
      throw refuse(`htu: expected ${addresses.join(' or ')}, got ${shown(htu)}`)
    }
    if (ath !== (await hashOf(token))) {
      const came = ath === undefined ? 'nothing' : 'another'
      throw refuse(`ath: expected the hash of the access token sent with it, got ${came}`)
    }
    if (typeof jti !== 'string' || jti === '' || jti.length > longestId)
      throw refuse(`jti: expected a string of at most ${longestId} characters`)
    if (typeof iat !== 'number' || iat <= now() - maxAge || iat > now() + ahead) {
      throw refuse(
        `iat: expected at most ${maxAge} seconds ago and at most ${ahead} ahead, got ${distance(iat)}`,
      )
    }
    if ((await calculateJwkThumbprint(jwk)) !== jkt)
      throw refuse('it is signed with a key that the token is not bound to')
    if (options.nonces && !(await options.nonces.isGood(nonce))) {
      throw new TokenRefused('use_dpop_nonce', 'nonce', 'expected the nonce of this server')
    }
    const made = { key: jkt, id: await hashOf(jti), issuedAt: iat }
    return () => {
      const at = { now: now(), oldest: now() - maxAge }
      if (!options.memory.isFirst(made, at))
        throw refuse('it was used before, or too many proofs were used')
    }
  } catch (error) {
    if (error instanceof TokenRefused && error.code !== 'invalid_token') throw error
    throw refuse((error as Error).message, error)
  }
}

/** @throws Error when it is not a public key of an asymmetric algorithm */
async function publicKeyIn(jwk: unknown, alg: string): Promise<CryptoKey> {
  if (typeof jwk !== 'object' || jwk === null) throw new Error('expected a jwk')
  if ('d' in jwk || 'k' in jwk) throw new Error('expected a public jwk')
  const key = await importJWK(jwk as JWK, alg)
  if (key instanceof Uint8Array || key.type !== 'public') throw new Error('expected a public jwk')
  return key
}

/** How far a time is from now, for messages: shows by how much a client's clock is wrong. */
function distance(time: unknown): string {
  if (typeof time !== 'number') return shown(time)
  const seconds = Math.round(now() - time)
  return seconds < 0 ? `${-seconds} ahead` : `${seconds} ago`
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return base64url.encode(new Uint8Array(hash))
}

/** Normalises a URL: without query and fragment, in the canonical spelling of RFC 3986 §6.2 (RFC 9449 §4.3). */
function addressOf(htu: string): string | undefined {
  if (!URL.canParse(htu)) return undefined
  const url = new URL(htu)
  return url.origin + url.pathname
}

/**
 * The URLs that a proof for this request may name.
 * @param target as in the request line; a path that begins with two slashes does not name a host
 * @returns one; two for `/` below a base path: a proxy that strips `/orders` turns both `/orders` and `/orders/` into
 *   `/`
 * @throws Error when dot segments lead the target out of the base path (RFC 3986 §5.2.4): that is another API
 */
function addressesAt(base: string, target: string): string[] {
  const url = new URL(base)
  const prefix = url.pathname.replace(/\/$/, '')
  const [path = ''] = target.split('?')
  url.pathname = prefix + path
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) {
    throw new Error(`the address: expected an address below ${base}, got ${shown(path)}`)
  }
  const address = url.origin + url.pathname
  return path === '/' && prefix !== '' ? [address, url.origin + prefix] : [address]
}
