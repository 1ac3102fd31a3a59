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
   * The address that callers use, as proofs name it in `htu`: `https://orders.example.com`, with the path that a proxy
   * takes away. Not taken from the request, where whoever replays a proof chooses it.
   */
  url: string
  /** Whether tokens that are not bound to a key are refused. */
  required?: boolean
  /** Algorithms of proofs. ES256, Ed25519 and EdDSA by default, as at the issuer. */
  algorithms?: string[]
  /** Seconds that a proof is good for. 60 by default. */
  maxAge?: number
  /**
   * Proofs that are remembered so that none counts twice. 100,000 by default; 90 to 400 bytes each. A tenth of them,
   * and 1,000 at most, are of one key: whoever makes more within a second is refused alone.
   */
  remembered?: number
  /**
   * Asks for a nonce in every proof (RFC 9449 §9). The secret, of 32 characters or more, is the same in every process
   * of this API; nothing is stored.
   */
  nonce?: { secret: string }
}

export const proofAlgorithms = ['ES256', 'Ed25519', 'EdDSA']
const proofAge = 60

const longest = 8192
const longestId = 256
/** Seconds that a caller's clock may be ahead. */
const ahead = 30

/**
 * Checks a proof of possession (RFC 9449 §4.3) for a token that is bound to the key `jkt`, but for its use before.
 * @returns uses it up: throws TokenRefused when it was used before. To be called last of all, so that what is refused
 *   for something else takes no place
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
      throw refuse(`ath: expected the hash of the access token that came with it, got ${came}`)
    }
    if (typeof jti !== 'string' || jti === '' || jti.length > longestId) throw refuse('no jti')
    if (typeof iat !== 'number' || iat <= now() - maxAge || iat > now() + ahead) {
      throw refuse(
        `iat: expected at most ${maxAge} seconds ago and ${ahead} ahead, got ${distance(iat)}`,
      )
    }
    if ((await calculateJwkThumbprint(jwk)) !== jkt)
      throw refuse('it is by another key than the token is bound to')
    if (options.nonces && !(await options.nonces.isGood(nonce))) {
      throw new TokenRefused('use_dpop_nonce', 'nonce', 'expected the nonce of this server')
    }
    const made = { key: jkt, id: await hashOf(jti), issuedAt: iat }
    return () => {
      const at = { now: now(), oldest: now() - maxAge }
      if (!options.memory.isFirst(made, at)) throw refuse('it was used before, or too many were')
    }
  } catch (error) {
    if (error instanceof TokenRefused && error.code !== 'invalid_token') throw error
    throw refuse((error as Error).message, error)
  }
}

/** @throws Error when it is no public key of an asymmetric algorithm */
async function publicKeyIn(jwk: unknown, alg: string): Promise<CryptoKey> {
  if (typeof jwk !== 'object' || jwk === null) throw new Error('expected a jwk')
  if ('d' in jwk || 'k' in jwk) throw new Error('expected a public jwk')
  const key = await importJWK(jwk as JWK, alg)
  if (key instanceof Uint8Array || key.type !== 'public') throw new Error('expected a public jwk')
  return key
}

/** How far a time is from now: a caller whose clock is wrong sees by how much. */
function distance(time: unknown): string {
  if (typeof time !== 'number') return shown(time)
  const seconds = Math.round(now() - time)
  return seconds < 0 ? `${-seconds} ahead` : `${seconds} ago`
}

async function hashOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return base64url.encode(new Uint8Array(hash))
}

/** Without query and fragment, and in the one spelling of RFC 3986 §6.2 (RFC 9449 §4.3). */
function addressOf(htu: string): string | undefined {
  if (!URL.canParse(htu)) return undefined
  const url = new URL(htu)
  return url.origin + url.pathname
}

/**
 * @param target as in the request line: a path that begins with two slashes is no other host
 * @returns one; two for `/` below a path, since a proxy that takes away `/orders` makes the same of `/orders` and `/orders/`
 * @throws Error when the target leaves the path of the base by dot segments (RFC 3986 §5.2.4): it is of another API
 */
function addressesAt(base: string, target: string): string[] {
  const url = new URL(base)
  const prefix = url.pathname.replace(/\/$/, '')
  const [path = ''] = target.split('?')
  url.pathname = prefix + path
  if (url.pathname !== prefix && !url.pathname.startsWith(`${prefix}/`)) {
    throw new Error(`the address: expected one below ${base}, got ${shown(path)}`)
  }
  const address = url.origin + url.pathname
  return path === '/' && prefix !== '' ? [address, url.origin + prefix] : [address]
}
