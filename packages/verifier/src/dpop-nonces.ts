import { base64url } from 'jose'
import { now } from './clock.ts'

/**
 * Nonces for DPoP proofs (RFC 9449 §9), derived from a secret and the time. Every process with the same secret issues
 * and recognises them; nothing is stored.
 */
export interface DpopNonces {
  current(): Promise<string>
  isGood(nonce: unknown): Promise<boolean>
}

/** Seconds that a nonce is issued; it is accepted for as long again. */
const period = 60

/** @throws TypeError when the secret is too short */
export function createDpopNonces(secret: string): DpopNonces {
  if (secret.length < 32) throw new TypeError('dpop.nonce.secret: expected 32 characters or more')
  const hmac = { name: 'HMAC', hash: 'SHA-256' }
  const key = crypto.subtle.importKey('raw', new TextEncoder().encode(secret), hmac, false, [
    'sign',
  ])
  const made = new Map<number, string>()
  const slot = () => Math.floor(now() / period)

  async function nonceOf(number: number): Promise<string> {
    const known = made.get(number)
    if (known !== undefined) return known
    const text = new TextEncoder().encode(`dpop nonce ${number}`)
    const nonce = base64url.encode(
      new Uint8Array(await crypto.subtle.sign(hmac, await key, text)).subarray(0, 18),
    )
    made.clear()
    made.set(number, nonce)
    return nonce
  }

  return {
    current: () => nonceOf(slot()),
    isGood: async (nonce) =>
      nonce === (await nonceOf(slot())) || nonce === (await nonceOf(slot() - 1)),
  }
}
