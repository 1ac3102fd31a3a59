import { decodeJwt, decodeProtectedHeader } from 'jose'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { mask, maskAddress } from '../refusals/mask.ts'
import { claimedOf } from '../refusals/named-family.ts'
import type { Values } from './refused-values.ts'

/**
 * What a DPoP proof (RFC 9449 §4.2) should have said, and what it says. Only its signature is a secret. Its time,
 * beside that of the refusal, shows a wrong clock.
 */
export function proofValues(ctx: KoaContextWithOIDC): Values {
  return {
    expected: `a proof for ${ctx.method} ${ctx.oidc.urlFor(ctx.oidc.route)}`,
    received: read(ctx.get('DPoP'), ({ alg, typ }, { htm, htu, iat, nonce }) => {
      const withNonce = nonce === undefined ? 'without nonce' : 'with nonce'
      const what = `${say(typ)} ${say(alg)} for ${say(htm)} ${maskAddress(htu)}`
      return `${what} made at ${time(iat)} ${withNonce}`
    }),
  }
}

/**
 * The unverified contents of an access token that are commonly wrong: an ID token, another audience or issuer, no
 * person, expired. The identifiers among them open nothing.
 */
export function accessTokenValues(ctx: KoaContextWithOIDC): Values {
  const token = ctx.get('authorization').split(' ')[1]
  return {
    expected: `a valid access token of ${ctx.oidc.issuer} that was issued for a user`,
    received: read(token, ({ typ = 'JWT' }, { iss, aud, exp, fid, gid }) => {
      const whose = typ === 'at+jwt' && gid === undefined ? ', without a user' : ''
      const claims = `${say(typ)} of ${say(iss)} for ${say(aud)} until ${time(exp)}${whose}`
      const what = `${mask(token)}, ${claims}`
      return typeof fid === 'string' ? claimedOf(what, fid) : what
    }),
  }
}

/** The unverified contents of an `id_token_hint` that are commonly wrong: an access token, another issuer or client. */
export function hintValues({ oidc }: KoaContextWithOIDC, hint: unknown): Values {
  return {
    expected: `an ID token of ${oidc.issuer}`,
    received: read(
      hint,
      ({ typ = 'JWT' }, { iss, aud }) => `${say(typ)} of ${say(iss)} for ${say(aud)}`,
    ),
  }
}

/**
 * What a client assertion (RFC 7523 §3) should have been, and what it says, without its `jti`; the reason names the
 * fault.
 */
export function assertionValues({ oidc }: KoaContextWithOIDC, assertion: unknown): Values {
  const method = oidc.client?.clientAuthMethod ?? 'private_key_jwt or client_secret_jwt'
  return {
    expected: `an assertion by ${method} for ${oidc.issuer}`,
    received: read(assertion, ({ alg, kid }, { iss, sub, aud, iat, exp }) => {
      const key = kid === undefined ? 'without kid' : `with kid ${say(kid)}`
      const times = `made at ${time(iat)} until ${time(exp)}`
      return `${say(alg)} ${key} of ${say(iss)}, about ${say(sub)}, for ${say(aud)} ${times}`
    }),
  }
}

type Words = (header: Record<string, unknown>, claims: Record<string, unknown>) => string

/** @returns the contents of a JWT; for anything else its length */
function read(jwt: unknown, words: Words): string {
  if (typeof jwt !== 'string') return mask(jwt)
  try {
    return words({ ...decodeProtectedHeader(jwt) }, decodeJwt(jwt)).slice(0, mostShown)
  } catch {
    return mask(jwt)
  }
}

/**
 * Most characters of a JWT's contents, as many as the store keeps, and of one value, so that later values still fit.
 */
const mostShown = 900
const longestValue = 120

const say = (value: unknown): string => {
  if (value === undefined) return 'nothing'
  const said = typeof value === 'string' ? value : JSON.stringify(value)
  return said.length > longestValue ? `${said.slice(0, longestValue)}…` : said
}

/** @throws RangeError for what is no time */
const time = (seconds: unknown): string =>
  typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : 'no time'
