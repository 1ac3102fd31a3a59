/**
 * A program without a user: a nightly report. It authenticates with a private key (private_key_jwt, RFC 7523): no
 * secret is sent, and the authorization server knows only the public key.
 */
import { readFile } from 'node:fs/promises'
import { type CryptoKey, importJWK, type JWK } from 'jose'
import {
  allowInsecureRequests,
  clientCredentialsGrant,
  discovery,
  fetchProtectedResource,
  PrivateKeyJwt,
} from 'openid-client'

function setting(name: string): string {
  const value = process.env[name]
  if (!value) throw new Error(`machine: ${name} is not set`)
  return value
}

const issuer = new URL(setting('ISSUER'))
const clientId = setting('CLIENT_ID')
const api = new URL(setting('API_URL'))

// The private key is in a file that only this program can read; its public key is registered.
const jwk = JSON.parse(await readFile(setting('KEY_FILE'), 'utf8')) as JWK
const key = (await importJWK(jwk, 'ES256')) as CryptoKey
const auth = PrivateKeyJwt(jwk.kid === undefined ? key : { key, kid: jwk.kid })

const config = await discovery(issuer, clientId, {}, auth, {
  // Plain http is for this machine alone; every other issuer is https.
  execute: issuer.protocol === 'http:' ? [allowInsecureRequests] : [],
})

// A long-running program would keep the token until shortly before `expires_in` is over and then request another:
// client credentials have no refresh token.
const tokens = await clientCredentialsGrant(config, { scope: 'orders:report' })
const response = await fetchProtectedResource(
  config,
  tokens.access_token,
  new URL('/report', api),
  'GET',
)
if (!response.ok) {
  throw new Error(`machine: the API answered ${response.status} ${await response.text()}`)
}
const { orders, refunded } = (await response.json()) as { orders: number; refunded: number }
console.log(`machine: ${clientId} reports ${orders} orders, ${refunded} of them refunded`)
