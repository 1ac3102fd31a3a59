import { createLocalJWKSet, type JWTPayload, errors as joseErrors, jwtVerify } from 'jose'
import type { AdapterPayload } from 'oidc-provider'
import { type Client, checkedMetadata } from '../clients/client.ts'
import type { DenialKind } from '../denials/denials.ts'
import { present } from '../present.ts'
import { hashOf } from '../secrets/handle.ts'
import type { KeySet } from '../signing/key-set.ts'
import type { TraceClaims } from './access-token.ts'
import { denialsNaming } from './access-token.ts'
import type { IssuerContext } from './capabilities.ts'
import { verifiedByKeySet } from './verified-tokens.ts'

/** Our own JWT access tokens, read back (RFC 9068 §4). The engine issues them and never looks at them again. */
export interface StructuredTokens {
  /** Whether a string can only be a JWT: our handles have no dots. */
  looksLikeOne(token: string): boolean
  /**
   * The token as the engine would have stored it; undefined when it is not ours, expired, denied or its grant ended.
   * @param despite a kind of denial that is ignored
   */
  find(token: string, despite?: DenialKind): Promise<AdapterPayload | undefined>
  /** Why `find` returns nothing, for operators. */
  whyNot(token: string): Promise<string>
}

export type AccessTokenClaims = JWTPayload &
  TraceClaims & {
    client_id: string
    scope?: string
    /** Individually requested claims, for userinfo. */
    userinfo_claims?: string[]
    cnf?: { jkt?: string; 'x5t#S256'?: string }
  }

export function createStructuredTokens(
  context: IssuerContext,
  { published }: KeySet,
): StructuredTokens {
  const { tenant, issuer, clients, subjects, clock, denials } = context
  const jwks = createLocalJWKSet({ keys: published.map(({ publicJwk }) => publicJwk) })
  const algorithms = [...new Set(published.map(({ alg }) => alg))]

  /** The cache belongs to this key set: when a key ends, both are replaced. */
  const verified = verifiedByKeySet()

  async function claimsOf(token: string): Promise<AccessTokenClaims | undefined> {
    const hash = hashOf(token)
    const known = verified.get(hash, clock.seconds())
    if (known) return known
    if (!isCanonical(token)) return undefined
    const claims = await verify(token)
    if (claims) verified.keep(hash, claims)
    return claims
  }

  async function verify(token: string): Promise<AccessTokenClaims | undefined> {
    try {
      const { payload } = await jwtVerify<AccessTokenClaims>(token, jwks, {
        issuer,
        typ: 'at+jwt',
        algorithms,
        requiredClaims: ['exp', 'iat', 'jti', 'sub', 'aud', 'client_id'],
        currentDate: new Date(clock.now()),
      })
      return payload.tenant_id === tenant ? payload : undefined
    } catch (error) {
      if (error instanceof joseErrors.JOSEError) return undefined
      throw error
    }
  }

  /** The account of a token that involves a person. */
  async function accountIn(
    { gid, sub }: AccessTokenClaims,
    client: Client,
  ): Promise<string | undefined> {
    const metadata = gid === undefined ? undefined : checkedMetadata(client).data
    return metadata && subjects.accountBehind(tenant, metadata, sub as string)
  }

  /** Reads memory alone: every end of something that a token hangs from is on the deny-list (architecture §4). */
  async function find(token: string, despite?: DenialKind): Promise<AdapterPayload | undefined> {
    const claims = await claimsOf(token)
    const client = claims && (await clients.find(tenant, claims.client_id))
    if (!client) return undefined
    const accountId = await accountIn(claims, client)
    if (claims.gid !== undefined && accountId === undefined) return undefined
    const payload = toPayload(claims, accountId)
    const named = denialsNaming(payload).filter(({ kind }) => kind !== despite)
    const denied = denials.anyDenies(tenant, named, claims.iat as number)
    return denied ? undefined : payload
  }

  async function whyNot(token: string): Promise<string> {
    const fault = await jwtVerify(token, jwks, {
      issuer,
      typ: 'at+jwt',
      algorithms,
      currentDate: new Date(clock.now()),
    }).then(
      () => undefined,
      (error: Error) => error.message,
    )
    if (fault !== undefined) return fault
    if (!isCanonical(token)) return 'a part of the token is not canonical base64url (RFC 7515 §2)'
    const claims = await claimsOf(token)
    if (!claims) return 'a required claim is missing, or tenant_id names another tenant'
    if (!(await clients.find(tenant, claims.client_id)))
      return 'the client of the token is deleted or disabled'
    return 'the token was revoked, or its session, consent or family ended'
  }

  return {
    whyNot,
    looksLikeOne: (token) => token.split('.').length === 3,
    find,
  }
}

/**
 * Whether each part is base64url in its canonical form (RFC 7515 §2). Decoders ignore padding, white space and trailing
 * bits, so that one token could otherwise be presented as many.
 */
function isCanonical(token: string): boolean {
  return token
    .split('.')
    .every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

function toPayload(claims: AccessTokenClaims, accountId: string | undefined): AdapterPayload {
  const { tenant_id, sid, fid, gid, cnf, userinfo_claims: wanted } = claims
  const extra: TraceClaims = {
    tenant_id,
    ...(sid ? { sid } : {}),
    ...(fid ? { fid } : {}),
    ...(gid ? { gid } : {}),
  }
  return {
    kind: gid === undefined ? 'ClientCredentials' : 'AccessToken',
    jti: claims.jti,
    iat: claims.iat,
    exp: claims.exp,
    aud: claims.aud,
    clientId: claims.client_id,
    sub: claims.sub,
    extra: { ...extra },
    ...present({ scope: claims.scope, jkt: cnf?.jkt, 'x5t#S256': cnf?.['x5t#S256'] }),
    ...(gid === undefined ? {} : { grantId: gid, accountId }),
    ...(wanted === undefined
      ? {}
      : { claims: { userinfo: Object.fromEntries(wanted.map((name) => [name, null])) } }),
  }
}
