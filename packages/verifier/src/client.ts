import { type CryptoKey, importJWK, type JWK, SignJWT } from 'jose'
import { now } from './clock.ts'

/** The client that this API is at the issuer: one of the `introspection_clients` of its resource server. */
export interface ClientCredentials {
  clientId: string
  clientSecret?: string | undefined
  /** How the secret is sent; `client_secret_basic` by default. */
  authentication?: 'client_secret_basic' | 'client_secret_post'
  /** Instead of a secret: a private key, for `private_key_jwt`. A JWK, or a CryptoKey with its `alg`. */
  privateKey?: JWK | { key: CryptoKey; alg: string; kid?: string }
}

/** Adds the authentication of the client to a form (RFC 6749 §2.3.1, RFC 7523 §2.2). */
export async function authenticated(
  form: Record<string, string>,
  { clientId, clientSecret, authentication, privateKey }: ClientCredentials,
  issuer: string,
): Promise<RequestInit> {
  const body = new URLSearchParams(form)
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (privateKey !== undefined) {
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    body.set('client_id', clientId)
    body.set('client_assertion_type', type)
    body.set('client_assertion', await assertion(clientId, privateKey, issuer))
  } else if (authentication === 'client_secret_post') {
    body.set('client_id', clientId)
    body.set('client_secret', clientSecret ?? '')
  } else {
    const [id, secret] = [clientId, clientSecret ?? ''].map(formEncoded)
    headers['Authorization'] = `Basic ${btoa(`${id}:${secret}`)}`
  }
  return { method: 'POST', body, headers }
}

/** @throws TypeError that names what is missing */
export function assertCredentials(credentials: ClientCredentials, where: string): void {
  const { clientId, clientSecret, privateKey } = credentials
  if (!clientId) throw new TypeError(`${where}.clientId is missing`)
  if ((clientSecret === undefined) === (privateKey === undefined)) {
    throw new TypeError(`${where}: expected either clientSecret or privateKey`)
  }
}

async function assertion(
  clientId: string,
  privateKey: NonNullable<ClientCredentials['privateKey']>,
  issuer: string,
): Promise<string> {
  const { key, alg, kid } = isOpened(privateKey) ? privateKey : await imported(privateKey)
  const issuedAt = Math.floor(now())
  return new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(issuer)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + 60)
    .sign(key)
}

function isOpened(
  privateKey: NonNullable<ClientCredentials['privateKey']>,
): privateKey is { key: CryptoKey; alg: string; kid?: string } {
  return 'key' in privateKey && typeof privateKey.key === 'object'
}

async function imported(jwk: JWK): Promise<{ key: CryptoKey; alg: string; kid?: string }> {
  const alg = jwk.alg ?? 'ES256'
  const key = (await importJWK(jwk, alg)) as CryptoKey
  return { key, alg, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) }
}

/** Form-urlencodes a value (RFC 6749 appendix B). */
function formEncoded(text: string): string {
  return new URLSearchParams({ v: text }).toString().slice(2)
}
