import { createPrivateKey, sign as signBytes } from 'node:crypto'
import {
  CompactEncrypt,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import type { TestServer } from '../support/boot.ts'
import { privateJwkOf } from '../support/private-key.ts'

/** What an attacker has: a good token, the published keys and own keys. And what only the issuer has. */
export interface Forger {
  token: string
  parts: [string, string, string]
  header: Record<string, unknown>
  claims: Record<string, unknown>
  /** The public key of the token. */
  published: JWK
  /** The `kid` of another published key. */
  otherKid: string
  /** Signs with a key of the attacker. */
  forge(header: object, claims?: object): Promise<string>
  own: JWK
  /** Signs any text with the issuer's key, as a faulty issuer could. */
  issue(header: object | string, claims: object | string): string
  /** An ID token of the same user. */
  idToken: string
}

type Hostile = [what: string, make: (forger: Forger) => string | Promise<string>]

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const secretOf = (text: string) => new TextEncoder().encode(text.padEnd(64, ' '))
const seconds = () => Math.floor(Date.now() / 1000)
const without = (claims: object, name: string) =>
  Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))

async function hmac({ header, claims }: Forger, alg: string, secret: string): Promise<string> {
  return new SignJWT({ ...claims }).setProtectedHeader({ ...header, alg }).sign(secretOf(secret))
}

/**
 * Tokens that must be refused by an API that verifies them and by introspection. Those at the end of each list are
 * signed with the issuer's own key, but are not access tokens for this API.
 */
export const hostileTokens: Hostile[] = [
  ...['none', 'None', 'nOnE', ''].flatMap((alg): Hostile[] => [
    [`alg ${alg || 'empty'}, unsigned`, (f) => `${part({ ...f.header, alg })}.${f.parts[1]}.`],
    [
      `alg ${alg || 'empty'}, with the old signature`,
      (f) => `${part({ ...f.header, alg })}.${f.parts[1]}.${f.parts[2]}`,
    ],
  ]),
  ['no alg', (f) => `${part(without(f.header, 'alg'))}.${f.parts[1]}.${f.parts[2]}`],
  ['the signature stripped', (f) => `${f.parts[0]}.${f.parts[1]}.`],
  ['two parts', (f) => `${f.parts[0]}.${f.parts[1]}`],
  ['four parts', (f) => `${f.token}.${f.parts[2]}`],
  [
    'HS256 with the public key in PEM',
    async (f) =>
      hmac(f, 'HS256', await exportSPKI((await importJWK(f.published, 'ES256')) as never)),
  ],
  ['HS256 with the public key as JWK', (f) => hmac(f, 'HS256', JSON.stringify(f.published))],
  ['HS512 with the x of the public key', (f) => hmac(f, 'HS512', f.published.x ?? '')],
  [
    'alg RS256 over an ES256 signature',
    (f) => `${part({ ...f.header, alg: 'RS256' })}.${f.parts[1]}.${f.parts[2]}`,
  ],
  ['a key in jwk', (f) => f.forge({ jwk: f.own, kid: undefined })],
  ['a key in jwk, under the kid of the issuer', (f) => f.forge({ jwk: f.own })],
  ['a key at jku', (f) => f.forge({ jku: 'https://evil.example/jwks' })],
  ['a key at x5u', (f) => f.forge({ x5u: 'https://evil.example/x' })],
  ['a key in x5c', (f) => f.forge({ x5c: ['MIIB'] })],
  ...[
    '',
    '../../../../dev/null',
    '/dev/null',
    "' OR 1=1 --",
    "x' UNION SELECT 'key",
    '__proto__',
    'constructor',
    '\0',
    'x'.repeat(3000),
  ].map((kid): Hostile => [`kid ${JSON.stringify(kid).slice(0, 40)}`, (f) => f.forge({ kid })]),
  ['no kid', (f) => f.forge({ kid: undefined })],
  ['kid as a number', (f) => f.forge({ kid: 1 })],
  [
    'the kid of another key',
    (f) => `${part({ ...f.header, kid: f.otherKid })}.${f.parts[1]}.${f.parts[2]}`,
  ],
  ['ES256 with r = s = 0', (f) => `${f.parts[0]}.${f.parts[1]}.${part('\0'.repeat(64))}`],
  ['ES256 with an empty DER sequence', (f) => `${f.parts[0]}.${f.parts[1]}.MAA`],
  [
    'other claims under the same signature',
    (f) => `${f.parts[0]}.${part({ ...f.claims, scope: 'orders:write' })}.${f.parts[2]}`,
  ],
  ['huge', (f) => f.forge({}, { filler: 'x'.repeat(60_000) })],
  [
    'deeply nested',
    (f) => `${f.parts[0]}.${part(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`)}.${f.parts[2]}`,
  ],
  [
    'encrypted (JWE)',
    async (f) =>
      new CompactEncrypt(new TextEncoder().encode(f.token))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', cty: 'JWT', typ: 'at+jwt' })
        .encrypt(secretOf('x').subarray(0, 32)),
  ],
  ['a JWT in a JWT', (f) => `${part({ ...f.header, cty: 'JWT' })}.${part(f.token)}.${f.parts[2]}`],
  [
    'a duplicate member in the header',
    (f) =>
      `${part(`{"alg":"none",${JSON.stringify(f.header).slice(1)}`)}.${f.parts[1]}.${f.parts[2]}`,
  ],
  [
    'a duplicate member in the claims',
    (f) =>
      `${f.parts[0]}.${part(`{"sub":"root",${JSON.stringify(f.claims).slice(1)}`)}.${f.parts[2]}`,
  ],
  [
    'b64 false',
    (f) =>
      f
        .forge({ b64: false, crit: ['b64'] })
        .catch(
          () => `${part({ ...f.header, b64: false, crit: ['b64'] })}.${f.parts[1]}.${f.parts[2]}`,
        ),
  ],
  [
    'an unknown critical extension',
    (f) => `${part({ ...f.header, crit: ['x'], x: 1 })}.${f.parts[1]}.${f.parts[2]}`,
  ],
  ['trailing garbage', (f) => `${f.token}AAAA`],
  ['trailing padding', (f) => `${f.token}==`],
  ['set bits after the end of base64', (f) => lastBitsSet(f.token)],
  ['a trailing line feed', (f) => `${f.token}\n`],
  ['a space inside', (f) => `${f.parts[0]}. ${f.parts[1]}.${f.parts[2]}`],
  ['the standard base64 alphabet', (f) => `${f.parts[0]}.${f.parts[1]}.+/${f.parts[2].slice(2)}`],
  ['invalid JSON', (f) => `${part('{"alg":"ES256"')}.${f.parts[1]}.${f.parts[2]}`],
  ['a header that is a list', (f) => `${part([f.header])}.${f.parts[1]}.${f.parts[2]}`],
  [
    'the JSON form of a JWS',
    (f) => JSON.stringify({ protected: f.parts[0], payload: f.parts[1], signature: f.parts[2] }),
  ],
  ['nothing but dots', () => '..'],
  ['an ID token', (f) => f.idToken],

  ['issued: typ JWT', (f) => f.issue({ ...f.header, typ: 'JWT' }, f.claims)],
  ['issued: typ logout+jwt', (f) => f.issue({ ...f.header, typ: 'logout+jwt' }, f.claims)],
  ['issued: no typ', (f) => f.issue(without(f.header, 'typ'), f.claims)],
  ['issued: expired', (f) => f.issue(f.header, { ...f.claims, exp: seconds() - 120 })],
  ['issued: not valid yet', (f) => f.issue(f.header, { ...f.claims, nbf: seconds() + 3600 })],
  ['issued: exp as text', (f) => f.issue(f.header, { ...f.claims, exp: '9999999999' })],
  [
    'issued: another issuer',
    (f) => f.issue(f.header, { ...f.claims, iss: 'https://evil.example' }),
  ],
  [
    'issued: the issuer with a slash',
    (f) => f.issue(f.header, { ...f.claims, iss: `${String(f.claims['iss'])}/` }),
  ],
  ['issued: another tenant', (f) => f.issue(f.header, { ...f.claims, tenant_id: 'other' })],
  ...['iss', 'sub', 'aud', 'exp', 'iat', 'jti', 'client_id'].map(
    (name): Hostile => [`issued: no ${name}`, (f) => f.issue(f.header, without(f.claims, name))],
  ),
]

/** Valid for introspection by another audience; this API must refuse them. */
export const foreignTokens: Hostile[] = [
  [
    'an infinite exp',
    (f) => f.issue(f.header, JSON.stringify(f.claims).replace(/"exp":\d+/, '"exp":1e999')),
  ],
  ['another audience', (f) => f.issue(f.header, { ...f.claims, aud: 'https://other.example.com' })],
  [
    'the audience as a prefix',
    (f) => f.issue(f.header, { ...f.claims, aud: `${String(f.claims['aud'])}.evil.example` }),
  ],
  [
    'the audience in a list in a list',
    (f) => f.issue(f.header, { ...f.claims, aud: [[f.claims['aud']]] }),
  ],
  [
    'several audiences',
    (f) => f.issue(f.header, { ...f.claims, aud: [f.claims['aud'], 'https://other.example.com'] }),
  ],
  [
    'the audience in an object',
    (f) => f.issue(f.header, { ...f.claims, aud: { 0: f.claims['aud'], length: 1 } }),
  ],
  ['no audience in the list', (f) => f.issue(f.header, { ...f.claims, aud: [] })],
  [
    'two audiences in one text',
    (f) =>
      f.issue(f.header, {
        ...f.claims,
        aud: `${String(f.claims['aud'])} https://other.example.com`,
      }),
  ],
  ['issued in the future', (f) => f.issue(f.header, { ...f.claims, iat: seconds() + 3600 })],
  [
    'a duplicate member, signed',
    (f) => f.issue(f.header, `{"scope":"all",${JSON.stringify(f.claims).slice(1)}`),
  ],
  [
    'a duplicate member in another spelling, signed',
    (f) => f.issue(f.header, `{"\\u0073cope":"all",${JSON.stringify(f.claims).slice(1)}`),
  ],
  ['an extension that may be ignored', (f) => f.issue({ ...f.header, jwk: f.own }, f.claims)],
  ['sub as a number', (f) => f.issue(f.header, { ...f.claims, sub: 1 })],
  ['scope as a list', (f) => f.issue(f.header, { ...f.claims, scope: ['orders:read'] })],
  ['an unknown binding', (f) => f.issue(f.header, { ...f.claims, cnf: { jwk: {} } })],
  ['bound to a key', (f) => f.issue(f.header, { ...f.claims, cnf: { jkt: 'x' } })],
  ['bound to a certificate', (f) => f.issue(f.header, { ...f.claims, cnf: { 'x5t#S256': 'x' } })],
  ['bound to nothing', (f) => f.issue(f.header, { ...f.claims, cnf: {} })],
]

/** 64 bytes take 86 characters; the last one has four unused bits. */
function lastBitsSet(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + (alphabet[alphabet.indexOf(token.at(-1) ?? '') | 1] ?? '')
}

export async function createForger(
  server: TestServer,
  tenant: string,
  { token, idToken }: { token: string; idToken: string },
): Promise<Forger> {
  const header = decodeProtectedHeader(token) as Record<string, unknown>
  const claims = decodeJwt(token) as Record<string, unknown>
  const answer = await fetch(`${server.issuer}/jwks`)
  const { keys } = (await answer.json()) as { keys: JWK[] }
  const published = keys.find(({ kid }) => kid === header['kid']) as JWK
  const other = keys.find(({ kid, use }) => kid !== header['kid'] && use !== 'enc') as JWK
  const pair = await generateKeyPair('ES256', { extractable: true })
  const jwk = await privateJwkOf(server.core, tenant, String(header['kid']))
  const key = createPrivateKey({ key: jwk, format: 'jwk' })
  return {
    token,
    parts: token.split('.') as [string, string, string],
    header,
    claims,
    published,
    otherKid: other.kid ?? '',
    own: await exportJWK(pair.publicKey),
    idToken,
    forge: (fields, more = {}) =>
      new SignJWT({ ...claims, ...more })
        .setProtectedHeader(JSON.parse(JSON.stringify({ ...header, ...fields })) as never)
        .sign(pair.privateKey),
    issue(fields, content) {
      const text = `${part(fields)}.${part(content)}`
      const signature = signBytes('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
      return `${text}.${signature.toString('base64url')}`
    },
  }
}
