import { createHash } from 'node:crypto'
import type { Context } from 'koa'
import type { DenialKind } from '../denials/denials.ts'
import { DomainError } from '../errors.ts'
import type { IssuerContext } from './capabilities.ts'
import { verifyProof } from './dpop-proof.ts'
import type { ClientCertificates } from './mtls.ts'
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

/** `access_token` in the query would be in logs (RFC 6750 §5.3); only the header counts. */
const credentials = /^(Bearer|DPoP) ([\w\-.~+/]+=*)$/i

/**
 * Verifies the access token of a request to an API that this server has itself (RFC 9068 §4, RFC 6750, RFC 9449 §7,
 * RFC 8705 §3). No cookie is ever looked at, so that no other site can make a browser call it.
 *
 * | check, in this order                         | refused with    |
 * |----------------------------------------------|-----------------|
 * | there is one, in one Authorization header     | `token_missing` |
 * | ours: signature, `typ`, issuer, expiry, tenant | `token_invalid` |
 * | not on the deny-list, its client enabled      | `token_invalid` |
 * | for this audience                             | `token_invalid` |
 * | the key that it is bound to is proved         | `token_invalid` |
 * | its person may act                            | `token_invalid` |
 */
export function createTokenCheck(
  context: IssuerContext,
  structured: StructuredTokens,
  certificates: ClientCertificates,
  /** What its refusals call the API. */
  endpoint: 'admin' | 'revocations' | 'ssf',
  /** Denials that do not matter there. */
  despite?: DenialKind,
) {
  const { tenant, accounts } = context

  return async (ctx: Context, audience: string, url: string): Promise<Presented> => {
    const [, scheme = '', token] = credentials.exec(ctx.get('authorization')) ?? []
    if (token === undefined) throw new DomainError('token_missing')
    const found = await structured.find(token, despite)
    if (!found) throw refused('not ours, expired, or revoked')
    const { aud, clientId, jkt, 'x5t#S256': thumbprint } = found
    if (aud !== audience) throw refused(`for another audience: ${String(aud)}`)
    const isBound = scheme.toLowerCase() === 'dpop'
    if (isBound !== (jkt !== undefined)) {
      if (jkt !== undefined) await noteKey('dpop', 'missing', ctx, found)
      throw refused(`${scheme} is not the scheme of this token`)
    }
    if (jkt !== undefined) {
      const request = { method: ctx.method, url, accessToken: token, jkt }
      if (!(await verifyProof(context, ctx.get('dpop'), request))) {
        await noteKey('dpop', ctx.get('dpop') ? 'other' : 'missing', ctx, found)
        throw refused('its key is not proved')
      }
    }
    if (thumbprint !== undefined) {
      const certificate = certificates.of(ctx)
      const shown = certificate && createHash('sha256').update(certificate.raw).digest('base64url')
      if (shown !== thumbprint) {
        await noteKey('mtls', certificate ? 'other' : 'missing', ctx, found)
        throw refused('its certificate is not shown')
      }
    }
    const { accountId } = found
    if (accountId !== undefined && !(await accounts.active(tenant, accountId))) {
      throw refused('its person may not act')
    }
    return {
      token,
      clientId: clientId as string,
      ...(accountId === undefined ? {} : { accountId }),
      scopes: new Set(found.scope?.split(' ') ?? []),
      expiresAt: found.exp as number,
    }
  }

  /** Whoever has a bound token without its key has it from somebody else. */
  async function noteKey(
    mechanism: 'dpop' | 'mtls',
    key: 'missing' | 'other',
    ctx: Context,
    token: { accountId?: string | undefined; clientId?: string | undefined },
  ): Promise<void> {
    context.counters.count(`${mechanism}_key_${key}`)
    await context.audit.record(tenant, {
      type: 'token.key_refused',
      accountId: token.accountId,
      clientId: token.clientId,
      ip: ctx.ip,
      userAgent: ctx.get('user-agent').slice(0, 256) || undefined,
      detail: { mechanism, key, endpoint },
    })
  }
}

function refused(reason: string): DomainError {
  return new DomainError('token_invalid', { detail: { reason } })
}
