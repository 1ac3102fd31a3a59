import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import type { TestServer } from './boot.ts'
import { exchange } from './http-exchange.ts'
import { privateJwkOf } from './private-key.ts'

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A letter of the alphabet of base64url that differs in its high bits, so that decoding notices. */
const other = (letter: string) => (letter < 'a' ? 'z' : 'A')

/**
 * What attackers make of a token that they hold (security class C14): each must be worth nothing. With a description.
 */
export async function forgeries(server: TestServer, token: string): Promise<[string, string][]> {
  const [head = '', payload = '', signature = ''] = token.split('.')
  const header = decodeProtectedHeader(token)
  const claims = decodeJwt(token)
  const { body } = await exchange({
    method: 'GET',
    url: new URL(`${server.issuer}/jwks`),
    headers: {},
  })
  const { keys } = JSON.parse(body) as { keys: JWK[] }
  const published = keys.find(({ kid }) => kid === header.kid) as JWK
  const own = await generateKeyPair(header.alg ?? '', { extractable: true })
  const ownJwk = await exportJWK(own.publicKey)
  const longer = { ...claims, exp: (claims.exp ?? 0) + 3600 }

  const found: [string, string][] = [
    ['no signature', `${head}.${payload}.`],
    ['two parts', `${head}.${payload}`],
    ['a longer signature', `${token}AAAA`],
    ['a shorter signature', token.slice(0, -4)],
    ['other claims', `${head}.${part(longer)}.${signature}`],
    ['another header', `${part({ ...header, x: 1 })}.${payload}.${signature}`],
    ['the signature of zeros', `${head}.${payload}.${'A'.repeat(signature.length)}`],
    ['five parts', `${token}.x.y`],
  ]
  for (const [what, text, at] of [
    ['header', head, 0],
    ['payload', payload, 1],
    ['signature', signature, 2],
  ] as const) {
    for (const place of [0, 5, Math.floor(text.length / 2), text.length - 3]) {
      const flipped = text.slice(0, place) + other(text[place] ?? '') + text.slice(place + 1)
      const parts = [head, payload, signature]
      parts[at] = flipped
      if (flipped !== text) found.push([`${what} changed at ${place}`, parts.join('.')])
    }
  }
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', undefined]) {
    const unsigned = part({ ...header, alg })
    found.push([`alg ${alg} without signature`, `${unsigned}.${payload}.`])
    found.push([`alg ${alg} with signature`, `${unsigned}.${payload}.${signature}`])
  }

  const signed = (fields: object, key: Parameters<SignJWT['sign']>[0], content: object = longer) =>
    new SignJWT({ ...content }).setProtectedHeader({ ...header, ...fields } as never).sign(key)
  const publicKey = await importJWK(published, published.alg)
  const secrets = {
    'the public key as PEM': await exportSPKI(publicKey as never),
    'the public key as JWK': JSON.stringify(published),
    'the key id': header.kid ?? '',
  }
  for (const [what, secret] of Object.entries(secrets)) {
    const key = new TextEncoder().encode(secret.padEnd(64, ' '))
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      found.push([`${alg} with ${what}`, await signed({ alg }, key)])
    }
  }
  const kids = [header.kid, undefined, 'x', '../../dev/null', "' or 1=1 --", '__proto__']
  for (const kid of kids)
    found.push([`own key as kid ${kid}`, await signed({ kid }, own.privateKey)])
  found.push(
    ['own key in jwk', await signed({ jwk: ownJwk, kid: undefined }, own.privateKey)],
    ['own key at jku', await signed({ jku: 'https://evil.example/jwks' }, own.privateKey)],
    ['own key at x5u', await signed({ x5u: 'https://evil.example/x' }, own.privateKey)],
    [
      'alg that is not the key’s',
      `${part({ ...header, alg: header.alg === 'RS256' ? 'PS256' : 'RS256' })}.${payload}.${signature}`,
    ],
    ['critical extension', `${part({ ...header, crit: ['x'], x: 1 })}.${payload}.${signature}`],
  )
  return found
}

/** Tokens that the server's own keys signed and that are no access tokens all the same. */
export async function misissued(
  server: TestServer,
  tenant: string,
  token: string,
): Promise<[string, string][]> {
  const header = decodeProtectedHeader(token)
  const claims = decodeJwt(token)
  const jwk = await privateJwkOf(server.core, tenant, header.kid as string)
  const privateKey = await importJWK(jwk, header.alg)
  const sign = (fields: object, changes: object) =>
    new SignJWT(JSON.parse(JSON.stringify({ ...claims, ...changes })) as object as never)
      .setProtectedHeader({ ...header, ...fields } as never)
      .sign(privateKey)
  const past = Math.floor(Date.now() / 1000) - 60
  const all: [string, object, object][] = [
    ['no typ', { typ: undefined }, {}],
    ['typ JWT', { typ: 'JWT' }, {}],
    ['typ logout+jwt', { typ: 'logout+jwt' }, {}],
    ['another issuer', {}, { iss: 'https://evil.example' }],
    ['no issuer', {}, { iss: undefined }],
    ['expired', {}, { exp: past }],
    ['no expiry', {}, { exp: undefined }],
    ['not yet valid', {}, { nbf: past + 3600 }],
    ['no audience', {}, { aud: undefined }],
    ['no jti', {}, { jti: undefined }],
    ['another tenant', {}, { tenant_id: 'other' }],
    ['an unknown client', {}, { client_id: 'nobody' }],
  ]
  return Promise.all(
    all.map(
      async ([what, fields, changes]): Promise<[string, string]> => [
        what,
        await sign(fields, changes),
      ],
    ),
  )
}
