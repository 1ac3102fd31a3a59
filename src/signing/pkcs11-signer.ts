import { createPublicKey, hash, verify } from 'node:crypto'
import type { JWK } from 'jose'
import { DomainError } from '../errors.ts'
import type { Token } from './pkcs11-token.ts'
import { schemes } from './sealed-signer.ts'
import type { HeldKey, Signer } from './signer.ts'
import type { SigningAlg } from './signing-key.ts'

/** The prefix of what a row holds in place of the sealed key: a PKCS#11 URI (RFC 7512) without a PIN. */
const scheme = 'pkcs11:'

/** DigestInfo of SHA-256 in DER, ahead of the digest (RFC 8017 §9.2, note 1). */
const digestInfo = Buffer.from('3031300d060960864801650304020105000420', 'hex')

const sha256 = (data: Uint8Array) => hash('sha256', data, 'buffer')

/** The input of the token's mechanism. Digests are made here, so that little is sent to the token. */
const inputs: Record<SigningAlg, (data: Uint8Array) => Uint8Array> = {
  ES256: sha256,
  PS256: sha256,
  RS256: (data) => Buffer.concat([digestInfo, sha256(data)]),
  EdDSA: (data) => data,
}

/** Private keys in a PKCS#11 token, which makes them and never gives them away. @param rsaBits size of new RSA keys */
function createPkcs11Signer(token: Token, rsaBits: number): Signer {
  let pinging: Promise<void> | undefined

  const referenceOf = (tenant: string, kid: string) =>
    `${scheme}token=${encodeURIComponent(token.label)};object=${encodeURIComponent(`keyturn:${tenant}:${kid}`)};type=private`

  function sign(tenant: string, kid: string, alg: SigningAlg, data: Uint8Array) {
    const input = inputs[alg](data)
    return token.perform<Uint8Array>({ what: 'sign', tenant, kid, alg, data: input })
  }

  function assertHere({ tenant, kid, sealed }: HeldKey): void {
    if (sealed === referenceOf(tenant, kid)) return
    throw new DomainError('signing_unavailable', {
      detail: `Signing key ${kid} is ${sealed}, but PKCS11_TOKEN_LABEL is ${JSON.stringify(token.label)}.`,
    })
  }

  /** Verifies a first signature, as a library may implement another mechanism under the same name. */
  async function assertSigns(tenant: string, alg: SigningAlg, key: JWK & { kid: string }) {
    const data = Buffer.from(key.kid)
    const signature = await sign(tenant, key.kid, alg, data)
    const { digest, options } = schemes[alg]
    const publicKey = createPublicKey({ key, format: 'jwk' })
    if (verify(digest, data, { key: publicKey, ...options }, signature)) return
    await token.perform({ what: 'destroy', tenant, kid: key.kid })
    throw new DomainError('signing_unavailable', {
      detail: `PKCS#11 token ${JSON.stringify(token.label)}: its ${alg} signature does not verify.`,
    })
  }

  return {
    async generate(tenant, alg) {
      const key = await token.perform<JWK & { kid: string }>({
        what: 'generate',
        tenant,
        alg,
        rsaBits,
      })
      await assertSigns(tenant, alg, key)
      const { kid } = key
      const sealed = referenceOf(tenant, kid)
      return {
        kid,
        alg,
        publicJwk: { ...key, alg, use: 'sig' },
        keep: async () => sealed,
        discard: () => token.perform<void>({ what: 'destroy', tenant, kid }),
      }
    },
    async open(tenant, { kid, alg, sealed }) {
      return {
        isHeld: true,
        async sign(data) {
          assertHere({ tenant, kid, sealed })
          return sign(tenant, kid, alg, data)
        },
      }
    },
    async destroy(key) {
      assertHere(key)
      await token.perform({ what: 'destroy', tenant: key.tenant, kid: key.kid })
    },
    async check(keys) {
      const missing = await token.perform<string[]>({
        what: 'check',
        keys: keys.map(({ tenant, kid }) => ({ tenant, kid })),
      })
      for (const key of keys) assertHere(key)
      if (missing.length === 0) return
      throw new DomainError('signing_unavailable', {
        detail: `PKCS#11 token ${JSON.stringify(token.label)} lacks signing keys: ${missing.join(', ')}.`,
      })
    },
    ping() {
      // One ping at a time, however many callers: the token may hang.
      pinging ??= token.perform<void>({ what: 'ping' }).finally(() => {
        pinging = undefined
      })
      return pinging
    },
    close: token.close,
  }
}

/** For keys in a token that is no longer configured. */
const noToken: Signer = {
  generate: () => Promise.reject(withoutToken('A signing key')),
  open: async (_tenant, { kid }) => ({
    isHeld: true,
    sign: () => Promise.reject(withoutToken(kid)),
  }),
  destroy: ({ kid }) => Promise.reject(withoutToken(kid)),
  async check([key]) {
    if (key) throw withoutToken(key.kid)
  },
  close: async () => undefined,
}

const withoutToken = (kid: string) =>
  new DomainError('signing_unavailable', {
    detail: `Signing key ${kid} is in a PKCS#11 token, but PKCS11_MODULE is not set.`,
  })

/**
 * Makes new keys where the installation keeps them now; each key signs where it was made. A rotation is therefore
 * enough to move.
 * @param token absent: new keys are sealed in the database
 */
export function createSigner(sealed: Signer, token: Token | undefined, rsaBits: number): Signer {
  const held = token ? createPkcs11Signer(token, rsaBits) : noToken
  const isHeld = (key: { sealed: string }) => key.sealed.startsWith(scheme)
  const signerOf = (key: { sealed: string }) => (isHeld(key) ? held : sealed)
  return {
    generate: (token ? held : sealed).generate,
    open: (tenant, key) => signerOf(key).open(tenant, key),
    destroy: (key) => signerOf(key).destroy(key),
    check: (keys) => held.check(keys.filter(isHeld)),
    ...(held.ping ? { ping: held.ping } : {}),
    close: held.close,
  }
}
