import { calculateJwkThumbprint, type JWK } from 'jose'
import type Pkcs11 from 'pkcs11js'
import { type Answer, type Fault, type Request, sessions, type Work } from './pkcs11-link.ts'
import type { SigningAlg } from './signing-key.ts'

/**
 * A separate process that speaks to a PKCS#11 token: its library may block, hang or crash while the server continues.
 * It holds the login, and ends with the server.
 */

const oids = { ES256: '06082a8648ce3d030107', EdDSA: '06032b6570' }
/** PKCS #11 3.0 names that the binding does not have. */
const [edwardsPairGen, eddsa] = [0x1055, 0x1057]
/** CKS_RW_USER_FUNCTIONS: the state of a session with a login. */
const loggedIn = 3

/** Fails for good: asking again would not help. */
class Refusal extends Error {}

/** Errors of the token or the login rather than of the request: a new login may help. */
const lost =
  /CKR_(SESSION|DEVICE|TOKEN|CRYPTOKI|USER|GENERAL|HOST|FUNCTION_FAILED|OPERATION|KEY_HANDLE|OBJECT_HANDLE)/

function faultOf(error: Error & { method?: string }): Fault {
  const message = [error.method, error.message].filter(Boolean).join(': ')
  if (error instanceof Refusal) return { message, kind: 'refusal' }
  return { message, kind: lost.test(message) ? 'lost' : 'failed' }
}

process.on('disconnect', () => process.exit())
// Ctrl-C reaches the whole process group; the server ends this process when nothing is left to sign.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)

const answer = (message: Answer) => process.send?.(message)

/** @param until when the caller stops waiting, by `performance.now()` */
type Perform = (work: Work, until: number) => Promise<unknown>

let perform: Perform | undefined

process.on('message', ({ id, work, within }: Request) => {
  take(work, performance.now() + within).then(
    (result) => answer({ id, result }),
    (error: Error) => answer({ id, fault: faultOf(error) }),
  )
})

async function take(work: Work, until: number): Promise<unknown> {
  // Answering `alive` shows that no call blocks this thread.
  if (work.what === 'login') perform = await login(work)
  else if (work.what !== 'alive') return perform?.(work, until)
  return undefined
}

async function login({ module, label, pin }: Extract<Work, { what: 'login' }>) {
  const { default: pkcs11 } = await import('pkcs11js').catch((cause: unknown) => {
    throw new Refusal(
      'the optional package pkcs11js is not installed; "npm ci" compiles it if Python, make and a C++ compiler are installed',
      { cause },
    )
  })
  const token = new pkcs11.PKCS11()
  try {
    token.load(module)
  } catch (error) {
    throw new Error(`PKCS11_MODULE cannot be loaded: ${(error as Error).message}`, { cause: error })
  }
  token.C_Initialize({ flags: pkcs11.CKF_OS_LOCKING_OK })
  const slots = token.C_GetSlotList(true)
  const labels = slots.map((slot) => token.C_GetTokenInfo(slot).label.replace(/[\s\0]+$/, ''))
  const fitting = slots.filter((_, i) => labels[i] === label)
  const [slot] = fitting
  if (!slot || fitting.length > 1) {
    const there = labels.filter(Boolean).map((each) => JSON.stringify(each))
    throw new Error(
      `expected one token labelled ${JSON.stringify(label)} (PKCS11_TOKEN_LABEL), got ${fitting.length} of ${there.join(', ') || 'none'}`,
    )
  }
  const free = Array.from({ length: sessions }, () =>
    token.C_OpenSession(slot, pkcs11.CKF_SERIAL_SESSION | pkcs11.CKF_RW_SESSION),
  )
  try {
    token.C_Login(free[0] as Buffer, pkcs11.CKU_USER, pin)
  } catch (error) {
    const { message } = error as Error
    // A token locks itself after some wrong PINs: never try this one again.
    if (message.includes('_PIN_')) throw new Refusal(`the token rejects PKCS11_PIN: ${message}`)
    throw error
  }
  return performerOf(pkcs11, token, slot, free)
}

function performerOf(
  pkcs11: typeof Pkcs11,
  token: Pkcs11.PKCS11,
  slot: Buffer,
  free: Buffer[],
): Perform {
  const waiting: ((session: Buffer) => void)[] = []
  const handles = new Map<string, Buffer>()
  const mechanisms = new Set(token.C_GetMechanismList(slot))

  async function withSession<T>(
    until: number,
    use: (session: Buffer) => Promise<T> | T,
  ): Promise<T> {
    const session =
      free.pop() ?? (await new Promise<Buffer>((resolve) => void waiting.push(resolve)))
    try {
      if (performance.now() > until) throw new Error('the caller no longer waits for it')
      return await use(session)
    } finally {
      const next = waiting.shift()
      if (next) next(session)
      else free.push(session)
    }
  }

  const labelOf = (tenant: string, kid: string) => `keyturn:${tenant}:${kid}`

  function find(session: Buffer, tenant: string, kid: string): Buffer | undefined {
    token.C_FindObjectsInit(session, [
      { type: pkcs11.CKA_CLASS, value: pkcs11.CKO_PRIVATE_KEY },
      { type: pkcs11.CKA_ID, value: Buffer.from(kid, 'base64url') },
      { type: pkcs11.CKA_LABEL, value: labelOf(tenant, kid) },
    ])
    try {
      return token.C_FindObjects(session, 1)[0]
    } finally {
      token.C_FindObjectsFinal(session)
    }
  }

  const schemes: Record<SigningAlg, { pair: number; sign: Pkcs11.Mechanism; public: Template }> = {
    ES256: {
      pair: pkcs11.CKM_EC_KEY_PAIR_GEN,
      sign: { mechanism: pkcs11.CKM_ECDSA },
      public: [{ type: pkcs11.CKA_EC_PARAMS, value: Buffer.from(oids.ES256, 'hex') }],
    },
    EdDSA: {
      pair: edwardsPairGen,
      sign: { mechanism: eddsa },
      public: [{ type: pkcs11.CKA_EC_PARAMS, value: Buffer.from(oids.EdDSA, 'hex') }],
    },
    RS256: {
      pair: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN,
      sign: { mechanism: pkcs11.CKM_RSA_PKCS },
      public: [],
    },
    PS256: {
      pair: pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN,
      sign: {
        mechanism: pkcs11.CKM_RSA_PKCS_PSS,
        parameter: {
          type: pkcs11.CK_PARAMS_RSA_PSS,
          hashAlg: pkcs11.CKM_SHA256,
          mgf: pkcs11.CKG_MGF1_SHA256,
          saltLen: 32,
        } as Pkcs11.IParams,
      },
      public: [],
    },
  }

  async function generate(
    { tenant, alg, rsaBits }: Extract<Work, { what: 'generate' }>,
    until: number,
  ): Promise<JWK> {
    const scheme = schemes[alg]
    if (![scheme.pair, scheme.sign.mechanism].every((each) => mechanisms.has(each))) {
      throw new Refusal(`the token does not support ${alg}`)
    }
    const rsa: Template = [
      { type: pkcs11.CKA_MODULUS_BITS, value: rsaBits },
      { type: pkcs11.CKA_PUBLIC_EXPONENT, value: Buffer.from([1, 0, 1]) },
    ]
    return withSession(until, async (session) => {
      const pair = await token.C_GenerateKeyPairAsync(
        session,
        { mechanism: scheme.pair },
        [
          ...(scheme.public.length > 0 ? scheme.public : rsa),
          // The public key is published from the database row, and is not kept in the token.
          { type: pkcs11.CKA_TOKEN, value: false },
          { type: pkcs11.CKA_VERIFY, value: true },
        ],
        [
          { type: pkcs11.CKA_TOKEN, value: true },
          { type: pkcs11.CKA_PRIVATE, value: true },
          { type: pkcs11.CKA_SENSITIVE, value: true },
          { type: pkcs11.CKA_EXTRACTABLE, value: false },
          { type: pkcs11.CKA_SIGN, value: true },
        ],
      )
      try {
        const publicJwk = publicJwkOf(session, pair.publicKey, alg)
        const kid = await calculateJwkThumbprint(publicJwk)
        if (performance.now() > until) throw new Error('the caller no longer waits for it')
        token.C_SetAttributeValue(session, pair.privateKey, [
          { type: pkcs11.CKA_ID, value: Buffer.from(kid, 'base64url') },
          { type: pkcs11.CKA_LABEL, value: labelOf(tenant, kid) },
        ])
        return { ...publicJwk, kid }
      } catch (error) {
        token.C_DestroyObject(session, pair.privateKey)
        throw error
      } finally {
        token.C_DestroyObject(session, pair.publicKey)
      }
    })
  }

  function publicJwkOf(session: Buffer, key: Buffer, alg: SigningAlg): JWK {
    const read = (type: number) =>
      token.C_GetAttributeValue(session, key, [{ type }])[0]?.value as Buffer
    const text = (bytes: Buffer) => bytes.toString('base64url')
    if (alg === 'RS256' || alg === 'PS256') {
      const [n, e] = [pkcs11.CKA_MODULUS, pkcs11.CKA_PUBLIC_EXPONENT].map(read) as [Buffer, Buffer]
      return {
        kty: 'RSA',
        n: text(n.subarray(n.findIndex(Boolean))),
        e: text(e.subarray(e.findIndex(Boolean))),
      }
    }
    // The coordinates are at the end, with or without an OCTET STRING around them.
    const point = read(pkcs11.CKA_EC_POINT)
    if (alg === 'EdDSA') return { kty: 'OKP', crv: 'Ed25519', x: text(point.subarray(-32)) }
    return {
      kty: 'EC',
      crv: 'P-256',
      x: text(point.subarray(-64, -32)),
      y: text(point.subarray(-32)),
    }
  }

  const performers: {
    [What in Work['what']]?: (
      work: Extract<Work, { what: What }>,
      until: number,
    ) => Promise<unknown>
  } = {
    ping: (_work, until) =>
      withSession(until, (session) => {
        token.C_GetTokenInfo(slot)
        const { state } = token.C_GetSessionInfo(session)
        if (state !== loggedIn) throw new Error('CKR_USER_NOT_LOGGED_IN')
      }),
    check: ({ keys }, until) =>
      withSession(until, (session) =>
        keys.filter(({ tenant, kid }) => !find(session, tenant, kid)).map(({ kid }) => kid),
      ),
    generate,
    sign: ({ tenant, kid, alg, data }, until) =>
      withSession(until, (session) => {
        const key = handles.get(kid) ?? find(session, tenant, kid)
        if (!key) throw new Refusal(`the token has no key ${kid}`)
        handles.set(kid, key)
        token.C_SignInit(session, schemes[alg].sign, key)
        return token.C_SignAsync(session, Buffer.from(data), Buffer.alloc(1024))
      }),
    destroy: ({ tenant, kid }, until) =>
      withSession(until, (session) => {
        const key = find(session, tenant, kid)
        handles.delete(kid)
        if (key) token.C_DestroyObject(session, key)
      }),
  }
  return async (work, until) => performers[work.what]?.(work as never, until)
}

type Template = Pkcs11.Template
