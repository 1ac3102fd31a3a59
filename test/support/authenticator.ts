import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type { Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { Page } from './http-exchange.ts'
import { somebody } from './second-factor.ts'
import { remember } from './witness.ts'

/** A passkey as an authenticator keeps it. */
export interface SoftKey {
  id: string
  userHandle: string
  privateKey: KeyObject
  cose: Buffer
  /** Its backup flags. */
  flags: number
}

/** Deviations from an honest authenticator and browser. */
export interface Lies {
  origin?: string
  rpId?: string
  type?: string
  challenge?: string
  crossOrigin?: unknown
  topOrigin?: string
  flags?: number
  counter?: number
  /** `null` leaves it out. */
  userHandle?: string | null
  id?: string
  /** Signs instead of the key. */
  privateKey?: KeyObject
  /** CBOR of `fmt` and `attStmt`. */
  attestation?: { fmt: string; attStmt: Buffer }
}

export const present = 0x01
export const verified = 0x04
export const eligible = 0x08
export const backedUp = 0x10
const attested = 0x40

const text64 = (bytes: Buffer) => bytes.toString('base64url')
const hash = (of: string | Buffer) => createHash('sha256').update(of).digest()

/** Encodes a CBOR head (RFC 8949); lengths below 2^16 only. */
function head(major: number, length: number): Buffer {
  if (length < 24) return Buffer.of((major << 5) | length)
  if (length < 256) return Buffer.of((major << 5) | 24, length)
  return Buffer.of((major << 5) | 25, length >> 8, length & 255)
}
export const cborBytes = (bytes: Buffer) => Buffer.concat([head(2, bytes.length), bytes])
export const cborText = (text: string) => Buffer.concat([head(3, text.length), Buffer.from(text)])
export const cborMap = (...entries: Buffer[]) =>
  Buffer.concat([head(5, entries.length / 2), ...entries])
export const cborList = (...items: Buffer[]) => Buffer.concat([head(4, items.length), ...items])
export const cborInteger = (value: number) => (value < 0 ? head(1, -1 - value) : head(0, value))

function newKey(userHandle: string): SoftKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const cose = cborMap(
    ...[cborInteger(1), cborInteger(2), cborInteger(3), cborInteger(-7)],
    ...[cborInteger(-1), cborInteger(1)],
    ...[cborInteger(-2), cborBytes(Buffer.from(x, 'base64url'))],
    ...[cborInteger(-3), cborBytes(Buffer.from(y, 'base64url'))],
  )
  return { id: text64(randomBytes(32)), userHandle, privateKey, cose, flags: 0 }
}

export interface Options {
  challenge: string
  rp?: { id: string }
  rpId?: string
  user?: { id: string }
}

const clientDataOf = (type: string, options: Options, origin: string, lies: Lies) =>
  Buffer.from(
    JSON.stringify({
      type: lies.type ?? type,
      challenge: lies.challenge ?? options.challenge,
      origin: lies.origin ?? origin,
      ...('crossOrigin' in lies ? { crossOrigin: lies.crossOrigin } : { crossOrigin: false }),
      ...(lies.topOrigin === undefined ? {} : { topOrigin: lies.topOrigin }),
    }),
  )

function authenticatorData(rpId: string, flags: number, counter: number, key?: SoftKey): Buffer {
  const count = Buffer.alloc(4)
  count.writeUInt32BE(counter)
  const id = Buffer.from(key?.id ?? '', 'base64url')
  const data = key
    ? [Buffer.alloc(16), Buffer.of(id.length >> 8, id.length & 255), id, key.cose]
    : []
  return Buffer.concat([hash(rpId), Buffer.of(flags), count, ...data])
}

/**
 * The answer of a browser with an authenticator, as `passkey.js` sends it (W3C Web Authentication §5.1.3, §6), without
 * attestation, with the deviations of the test.
 */
export function makePasskey(
  options: Options,
  origin: string,
  lies: Lies = {},
): { key: SoftKey; credential: string } {
  const key = newKey(options.user?.id ?? '')
  key.id = lies.id ?? key.id
  key.flags = (lies.flags ?? 0) & (eligible | backedUp)
  const flags = (lies.flags ?? present | verified) | attested
  const rpId = lies.rpId ?? options.rp?.id ?? ''
  const { fmt, attStmt } = lies.attestation ?? { fmt: 'none', attStmt: cborMap() }
  const authData = authenticatorData(rpId, flags, lies.counter ?? 0, key)
  const attestationObject = cborMap(
    ...[cborText('fmt'), cborText(fmt), cborText('attStmt'), attStmt],
    ...[cborText('authData'), cborBytes(authData)],
  )
  const credential = JSON.stringify({
    ...{ id: key.id, rawId: key.id, type: 'public-key' },
    response: {
      clientDataJSON: text64(clientDataOf('webauthn.create', options, origin, lies)),
      attestationObject: text64(attestationObject),
      transports: ['internal'],
    },
  })
  return { key, credential }
}

/** The same for a signature (§5.1.4). */
export function showPasskey(
  key: SoftKey,
  options: Options,
  origin: string,
  lies: Lies = {},
): string {
  const clientData = clientDataOf('webauthn.get', options, origin, lies)
  const flags = lies.flags ?? present | verified | key.flags
  const rpId = lies.rpId ?? options.rpId ?? ''
  const authData = authenticatorData(rpId, flags, lies.counter ?? 0)
  const signed = Buffer.concat([authData, hash(clientData)])
  const userHandle = lies.userHandle === undefined ? key.userHandle : lies.userHandle
  const id = lies.id ?? key.id
  return JSON.stringify({
    ...{ id, rawId: id, type: 'public-key' },
    response: {
      clientDataJSON: text64(clientData),
      authenticatorData: text64(authData),
      signature: text64(sign('sha256', signed, lies.privateKey ?? key.privateKey)),
      ...(userHandle === null ? {} : { userHandle }),
    },
  })
}

/** The WebAuthn options on a page. */
export function optionsOn(page: Page): Options & Record<string, unknown> {
  const form = page.root.querySelector('#passkey-form')
  return JSON.parse(form?.getAttribute('data-options') ?? 'null') as Options &
    Record<string, unknown>
}

/** Adds a passkey to an account directly, without pages. */
export async function givePasskey(
  { config, factors }: Core,
  account: { id: string; email: string },
  { tenant = defaultTenant, ...lies }: Lies & { tenant?: string } = {},
): Promise<SoftKey> {
  const options = await factors.passkeyOptions(tenant, account, 'story')
  const { origin } = new URL(config.issuer)
  const { key, credential } = makePasskey(options as Options, origin, lies)
  const made = { binding: 'story', credential, name: 'Laptop', onlyFirst: false }
  const added = await factors.addPasskey(tenant, account.id, made, { by: 'owner' })
  if (typeof added === 'string') throw new Error(`not added: ${added}`)
  remember(...(added.recoveryCodes ?? []))
  return key
}

/** Somebody with a password and a passkey. */
export async function passkeyOwner(core: Core, lies: Lies = {}) {
  const person = await somebody(core)
  const key = await givePasskey(core, { id: person.id, email: person.username }, lies)
  return { ...person, key }
}
