import type { EventEmitter } from 'node:events'
import type { Middleware } from 'koa'
import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { AuditEvent } from '../audit/audit.ts'
import type { TraceClaims } from './access-token.ts'
import type { IssuerContext } from './capabilities.ts'
import type { ClientCertificates } from './mtls.ts'
import type { EngineError } from './refused-checks.ts'
import { currentTokenRequest } from './token-request.ts'

type Mechanism = 'dpop' | 'mtls'

/** The engine's reasons for refusing a token whose key was not proved. The text is all that identifies them. */
const reasons: Partial<Record<string, Mechanism>> = {
  'DPoP proof JWT not provided': 'dpop',
  'failed jkt verification': 'dpop',
  'mutual TLS client certificate not provided': 'mtls',
  'failed x5t#S256 verification': 'mtls',
}

interface KeyRefusal {
  mechanism: Mechanism
  key: 'missing' | 'other'
  event: Omit<AuditEvent, 'type' | 'detail'>
}

/**
 * Counts and audits tokens that came without the key that they are bound to (RFC 9449, RFC 8705): the sender must have
 * obtained the token from its holder. The middleware must be outside of the token transaction, which is rolled back by
 * then.
 */
export function keyRefusals(
  provider: Provider,
  context: IssuerContext,
  certificates: ClientCertificates,
): Middleware {
  const refusals = new WeakMap<object, KeyRefusal>()

  function mark(ctx: KoaContextWithOIDC, error: EngineError): void {
    const mechanism = reasons[error.error_detail ?? '']
    const { params, entities, client, route } = ctx.oidc
    // Other grants present no token that is bound to a key.
    if (!mechanism || (route === 'token' && params?.['grant_type'] !== 'refresh_token')) return
    const isMissing = mechanism === 'dpop' ? !ctx.get('DPoP') : !certificates.of(ctx)
    const token = entities.AccessToken
    const { fid } = (token?.extra ?? {}) as Partial<TraceClaims>
    refusals.set(ctx, {
      mechanism,
      key: isMissing ? 'missing' : 'other',
      event: {
        accountId: token?.accountId,
        clientId: token?.clientId ?? client?.clientId,
        familyId: fid ?? currentTokenRequest()?.familyId,
      },
    })
  }
  const events: EventEmitter = provider
  events.on('grant.error', mark)
  events.on('userinfo.error', mark)

  return async (ctx, next) => {
    await next()
    const refusal = refusals.get(ctx)
    if (!refusal) return
    await noteKeyRefusal(context, { ...refusal, endpoint: (ctx as KoaContextWithOIDC).oidc.route })
  }
}

/**
 * Audits the first refusal for a grant at once, once a day. Further ones are counted: the sender can repeat it for as
 * long as the token lives.
 */
export async function noteKeyRefusal(
  { tenant, audit, counters }: Pick<IssuerContext, 'tenant' | 'audit' | 'counters'>,
  { mechanism, key, endpoint, event }: KeyRefusal & { endpoint: string },
): Promise<void> {
  counters.count(`${mechanism}_key_${key}`)
  const told = {
    type: 'token.key_refused',
    ...event,
    detail: { mechanism, key, endpoint },
  } as const
  const { familyId, clientId, accountId } = event
  const subject = JSON.stringify([mechanism, key, endpoint, familyId, clientId, accountId])
  if (await audit.recordOnce(tenant, told, subject)) return
  await audit.count(tenant, told, `again ${subject}`)
}
