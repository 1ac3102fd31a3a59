import type { Form } from './stack.ts'

/** Seeded random choices, to reproduce findings. */
export interface Chance {
  below(most: number): number
  of<T>(list: readonly T[]): T
}

/** @param seed an integer (the generator is Mulberry32) */
export function chanceOf(seed: number): Chance {
  let state = seed
  function below(most: number): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most
  }
  return { below, of: (list) => list[below(list.length)] as (typeof list)[number] }
}

type Change = (form: Form, chance: Chance) => Form

/** Additional parameters, known and unknown to the protocol. */
const additions = [
  ...['x=1', 'scope=', 'scope=orders%3Aread', 'scope=openid', 'resource=x', 'audience=x'],
  ...['claims=%7B%7D', 'authorization_details=%5B%5D', 'client_assertion=x', 'client_id=machine'],
  ...['client_assertion_type=x', 'client_secret=x', 'client_secret=', 'client_id=', 'code=x'],
  ...['token_type_hint=access_token', 'token_type_hint=x', 'refresh_token=x', 'dpop_jkt=x'],
  ...[
    'request=x',
    'request_uri=x',
    'response_type=code',
    'grant_type=refresh_token',
    '__proto__=x',
  ],
  ...[
    'constructor=x',
    'toString=x',
    'nonce=x',
    'username=x&password=y',
    '=',
    '=x',
    'x',
    '%',
    'ü=ü',
  ],
]
const appendices = [
  '&',
  '&&',
  ' ',
  '+',
  '%20',
  '%09',
  '%0D%0A',
  '\r\n',
  '%00',
  'ü',
  '%C3%BC',
  '%FF',
  '#x',
]

const inBody = (change: (pairs: string[], chance: Chance) => string): Change => {
  return (form, chance) => ({ ...form, body: change(form.body.split('&'), chance) })
}
const inHeader = (name: string, values: readonly string[]): Change => {
  return (form, chance) => ({ ...form, headers: { ...form.headers, [name]: chance.of(values) } })
}
const inAuthorization = (
  change: (scheme: string, pair: string, chance: Chance) => string,
): Change => {
  return ({ headers: { authorization = '', ...headers } = {}, ...form }, chance) => {
    const [scheme = '', pair = ''] = authorization.split(' ')
    return { ...form, headers: { ...headers, authorization: change(scheme, pair, chance) } }
  }
}
const decoded = (pair: string) => Buffer.from(pair, 'base64').toString()
const encoded = (text: string) => Buffer.from(text).toString('base64')

/** Percent-encodes one character. */
function escaped(text: string, chance: Chance): string {
  const at = chance.below(text.length)
  const code = text.charCodeAt(at).toString(16).padStart(2, '0')
  const written = chance.of([code, code.toUpperCase()])
  return `${text.slice(0, at)}%${written}${text.slice(at + 1)}`
}

const changes: readonly Change[] = [
  inBody((pairs, chance) => [...pairs, chance.of(pairs)].join('&')),
  inBody((pairs, chance) => [...pairs, `${chance.of(pairs).split('=')[0]}=x`].join('&')),
  inBody((pairs, chance) => [...pairs, `${chance.of(pairs).split('=')[0]}=`].join('&')),
  inBody((pairs, chance) => [...pairs, chance.of(additions)].join('&')),
  inBody((pairs, chance) => [chance.of(additions), ...pairs].join('&')),
  inBody((pairs, chance) => escaped(pairs.join('&'), chance)),
  inBody((pairs, chance) => pairs.join('&') + chance.of(appendices)),
  inBody((pairs, chance) => chance.of(appendices) + pairs.join('&')),
  inBody((pairs, chance) => pairs.join(chance.of([';', '&&', '&amp;', '\n']))),
  inBody((pairs) => pairs.toReversed().join('&')),
  inBody((pairs) => pairs.slice(1).join('&')),
  inBody((pairs) => pairs.join('&').replace('=', '[]=')),
  inBody((pairs) => pairs.join('&').replace('=', '==')),
  inBody((pairs) => pairs.join('&').replace('=', '')),
  inBody((pairs) => pairs.join('&').replace(/^./, (first) => first.toUpperCase())),
  inBody((pairs) => pairs.join('&').slice(0, -1)),
  inAuthorization(
    (_scheme, pair, chance) => `${chance.of(['basic', 'BASIC', 'Bearer', 'DPoP'])} ${pair}`,
  ),
  inAuthorization((scheme, pair, chance) => scheme + chance.of(['  ', '\t', '']) + pair),
  inAuthorization(
    (scheme, pair, chance) => `${scheme} ${pair}${chance.of([' ', '=', ', x', ' x'])}`,
  ),
  inAuthorization((scheme, pair) => `${scheme} ${pair.replaceAll('=', '')}`),
  inAuthorization(
    (scheme, pair) => `${scheme} ${Buffer.from(decoded(pair)).toString('base64url')}`,
  ),
  inAuthorization((scheme, pair, chance) => `${scheme} ${encoded(escaped(decoded(pair), chance))}`),
  inAuthorization((scheme, pair, chance) => {
    const more = chance.of([':', ' ', '+', '%20', '%00', 'ü', '%', '\0'])
    return `${scheme} ${encoded(chance.of([decoded(pair) + more, more + decoded(pair)]))}`
  }),
  inAuthorization((scheme, pair, chance) =>
    chance.of(['', scheme, pair, `${scheme} ${encoded(':')}`]),
  ),
  (form) => {
    const [, pair = ''] = form.headers?.['authorization']?.split(' ') ?? []
    const [id = '', secret = ''] = decoded(pair).split(':')
    return { ...form, body: `${form.body}&client_id=${id}&client_secret=${secret}`, headers: {} }
  },
  (form) => {
    const [, pair = ''] = form.headers?.['authorization']?.split(' ') ?? []
    return { ...form, body: `${form.body}&client_id=${decoded(pair).split(':')[0]}` }
  },
  inHeader('accept', [
    ...['*/*', 'text/html', 'application/jwt', 'application/json;q=0', '', 'x'],
    ...['application/token-introspection+jwt', 'Application/Token-Introspection+JWT', '*/*;q=0'],
  ]),
  inHeader('content-type', [
    ...[
      'application/x-www-form-urlencoded;charset=utf-8',
      'application/x-www-form-urlencoded; charset="utf-8"',
    ],
    ...['application/x-www-form-urlencoded; charset=latin1', 'APPLICATION/x-www-form-urlencoded'],
    ...['application/x-www-form-urlencoded;', 'application/x-www-form-urlencoded, text/plain'],
    ...['multipart/form-data; boundary=x', 'text/plain', 'application/json'],
  ]),
  inHeader('content-encoding', ['identity', 'gzip', '']),
  inHeader('origin', ['null', 'https://a.example', '']),
  inHeader('dpop', ['', 'x']),
  inHeader('oauth-client-attestation', ['x']),
  inHeader('x-http-method-override', ['GET', 'DELETE']),
  inHeader('x-forwarded-for', ['10.0.0.1', 'x']),
  inHeader('forwarded', ['for=10.0.0.1;host=other.example;proto=http']),
  inHeader('cookie', ['a=b', 'keyturn.default.session=x']),
  inHeader('if-none-match', ['*']),
  inHeader('range', ['bytes=0-1']),
  inHeader('expect', ['100-continue']),
  inHeader('connection', ['close']),
  inHeader('transfer-encoding', ['chunked']),
  inHeader('user-agent', ['', 'x'.repeat(300)]),
  inHeader('accept-language', ['de']),
  inHeader('access-control-request-method', ['POST']),
  inHeader('sec-fetch-mode', ['cors', 'navigate']),
  inHeader('prefer', ['return=minimal']),
  inHeader('client-cert', ['x']),
  inHeader('x-client-cert', ['x']),
]

/** A variation of a request, with the same meaning or another. */
export function spelt(form: Form, chance: Chance): Form {
  let changed = form
  for (let left = 1 + chance.below(2); left > 0; left--)
    changed = chance.of(changes)(changed, chance)
  return changed
}
