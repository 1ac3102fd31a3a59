import {
  constants,
  createPrivateKey,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
} from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Seals } from '../secrets/seal.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import type { Signer } from './signer.ts'
import type { SigningAlg } from './signing-key.ts'

const signAsync = promisify(sign)

/** Node's parameters for the algorithms of RFC 7518 §3 and RFC 8037 §3.1. */
export const schemes: Record<
  SigningAlg,
  { digest: string | null; options: Omit<SignKeyObjectInput, 'key'> }
> = {
  ES256: { digest: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  RS256: { digest: 'sha256', options: {} },
  PS256: {
    digest: 'sha256',
    options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
  },
  EdDSA: { digest: null, options: {} },
}

const purpose = (tenant: string, kid: string) => `signing-key:${tenant}:${kid}`

export const sealedSigningKeys: SealedColumn = {
  table: 'signing_keys',
  key: ['tenant_id', 'kid'],
  column: 'private_jwk',
  purpose,
}

/**
 * Private keys in Postgres, sealed under the key-encryption key; every node holds them in memory.
 * @param rsaBits size of new RSA keys
 */
export function createSealedSigner(sealer: Seals, rsaBits: number): Signer {
  return {
    async generate(tenant, alg) {
      const pair = await generateKeyPair(alg, { extractable: true, modulusLength: rsaBits })
      const publicJwk = await exportJWK(pair.publicKey)
      const kid = await calculateJwkThumbprint(publicJwk)
      const members = { kid, alg, use: 'sig' }
      const privateJwk = { ...(await exportJWK(pair.privateKey)), ...members }
      return {
        kid,
        alg,
        publicJwk: { ...publicJwk, ...members },
        keep: () => sealer.seal(purpose(tenant, kid), JSON.stringify(privateJwk)),
        discard: async () => undefined,
      }
    },

    async open(tenant, { kid, alg, sealed }) {
      const privateJwk = JSON.parse(sealer.open(purpose(tenant, kid), sealed)) as JWK
      return { sign: signerOf(alg, createPrivateKey({ key: privateJwk, format: 'jwk' })) }
    },

    // The row is all there is.
    destroy: async () => undefined,
    check: async () => undefined,
    close: async () => undefined,
  }
}

/**
 * Elliptic curves sign synchronously: moving to another thread and back costs more than the signature, and could wait
 * there for password hashes. RSA takes ten times as long, and uses the other thread.
 */
function signerOf(alg: SigningAlg, key: KeyObject): (data: Uint8Array) => Promise<Uint8Array> {
  const { digest, options } = schemes[alg]
  if (alg === 'ES256') return async (data) => rawSignature(sign(digest, data, key))
  if (alg === 'EdDSA') return async (data) => sign(digest, data, key)
  return (data) => signAsync(digest, data, { key, ...options })
}

/**
 * Converts a P-256 signature from ASN.1 (RFC 3279 §2.2.3) to JWS form (RFC 7518 §3.4). Node itself takes as long for
 * that as for signing.
 */
function rawSignature(der: Buffer): Buffer {
  const raw = Buffer.alloc(64)
  let at = 2
  for (const end of [32, 64]) {
    const next = at + 2 + (der[at + 1] as number)
    // ASN.1 drops leading zeros, and adds one where the first bit is set.
    const number = der.subarray(Math.max(at + 2, next - 32), next)
    number.copy(raw, end - number.length)
    at = next
  }
  return raw
}
