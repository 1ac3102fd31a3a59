import { hash } from 'node:crypto'
import type { Context } from 'koa'
import { networkOf } from '../attempts/network.ts'
import type { DenialKind } from '../denials/denials.ts'
import { DomainError, isDomainError } from '../errors.ts'
import { present } from '../present.ts'
import type { IssuerContext } from './capabilities.ts'
import { verifyProof } from './dpop-proof.ts'
import { noteKeyRefusal } from './key-refusals.ts'
import type { ClientCertificates } from './mtls.ts'
import { scopeSet } from './scopes.ts'
import type { StructuredTokens } from './structured-tokens.ts'

/** Who presents an access token. */
export interface Presented {
  token: string
  clientId: string
  /** Absent where no person is involved. */
  accountId?: string
  scopes: ReadonlySet<string>
  /** When the token expires, in seconds since the epoch. */
  expiresAt: number
}

/** What an API of this server's own is made from. */
export interface ApiParts {
  context: IssuerContext
  structured: StructuredTokens
  certificates: ClientCertificates
  /** The path of the issuer, without a trailing slash. */
  basePath: string
}

export interface ProtectedApi {
  /** The name of the API in audit events. */
  endpoint: 'admin' | 'revocations' | 'ssf'
  /** The identifier of the resource that tokens must be for. */
  audience: string
  /** The limit of refused tokens from one network. */
  limit: 'admin_network' | 'feed_network'
  /** A kind of denial that is ignored there. */
  despite?: DenialKind
}

/** Only the header counts: `access_token` in the query would be in logs (RFC 6750 §5.3). */
const credentials = /^(Bearer|DPoP) ([\w\-.~+/]+=*)$/i

/**
 * Verifies the access token of a request to one of this server's own APIs (RFC 9068 §4, RFC 6750, RFC 9449 §7, RFC 8705
 * §3). Cookies are ignored, so that no other site can make a browser call the API.
 *
 * | check, in this order                         | refused with    |
 * |----------------------------------------------|-----------------|
 * | present, in one Authorization header         | `token_missing` |
 * | issued here: signature, `typ`, issuer, expiry, tenant | `token_invalid` |
 * | not on the deny-list, its client enabled      | `token_invalid` |
 * | for this audience                             | `token_invalid` |
 * | the key that it is bound to is proved         | `token_invalid` |
 * | its user may act                              | `token_invalid` |
 *
 * A refusal counts against the network that it came from (`limit`); a valid token is accepted whatever others of that
 * network do.
 */
export function createTokenCheck(
  { context, structured, certificates, basePath }: ApiParts,
  { endpoint, audience, limit, despite }: ProtectedApi,
) {
  const { tenant, accounts, limiter } = context

  return async (ctx: Context): Promise<Presented> => {
    try {
      return await presentedIn(ctx)
    } catch (error) {
      if (isDomainError(error) && error.status === 401) {
        await limiter.take(tenant, { limit, subject: networkOf(ctx.ip) })
      }
      throw error
    }
  }

  async function presentedIn(ctx: Context): Promise<Presented> {
    const [, scheme = '', token] = credentials.exec(ctx.get('authorization')) ?? []
    if (token === undefined) throw new DomainError('token_missing')
    const found = await structured.find(token, despite)
    if (!found)
      throw refused('the token was not issued by this server, has expired, or was revoked')
    const { aud, clientId, jkt, 'x5t#S256': thumbprint } = found
    if (aud !== audience)
      throw refused(`the audience of the token must be ${audience}, it is ${String(aud)}`)
    const isBound = scheme.toLowerCase() === 'dpop'
    if (isBound !== (jkt !== undefined)) {
      if (jkt !== undefined) await noteKey('dpop', 'missing', found)
      throw refused(
        `the scheme must be ${isBound ? 'Bearer' : 'DPoP'} for this token, it is ${scheme}`,
      )
    }
    if (jkt !== undefined) {
      const url = `${ctx.protocol}://${ctx.host}${basePath}${ctx.path}`
      const request = { method: ctx.method, url, accessToken: token, jkt }
      if (!(await verifyProof(context, ctx.get('dpop'), request))) {
        await noteKey('dpop', ctx.get('dpop') ? 'other' : 'missing', found)
        throw refused('the DPoP proof is missing or not valid')
      }
    }
    if (thumbprint !== undefined) {
      const certificate = certificates.of(ctx)
      const shown = certificate && hash('sha256', certificate.raw, 'base64url')
      if (shown !== thumbprint) {
        await noteKey('mtls', certificate ? 'other' : 'missing', found)
        throw refused(
          'the client certificate is missing, or not the one that the token is bound to',
        )
      }
    }
    const { accountId } = found
    if (accountId !== undefined && !(await accounts.active(tenant, accountId))) {
      throw refused('the account of the token is disabled or deleted')
    }
    return {
      token,
      clientId: clientId as string,
      ...present({ accountId }),
      scopes: scopeSet(found.scope),
      expiresAt: found.exp as number,
    }
  }

  /** Notes that a bound token came without its key: the sender must have obtained it from its holder. */
  function noteKey(
    mechanism: 'dpop' | 'mtls',
    key: 'missing' | 'other',
    { accountId, clientId }: { accountId?: string | undefined; clientId?: string | undefined },
  ): Promise<void> {
    return noteKeyRefusal(context, { mechanism, key, endpoint, event: { accountId, clientId } })
  }
}

function refused(reason: string): DomainError {
  return new DomainError('token_invalid', { detail: { reason } })
}
