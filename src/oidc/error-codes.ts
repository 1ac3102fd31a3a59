import type { EventEmitter } from 'node:events'
import type Provider from 'oidc-provider'
import { errors, type KoaContextWithOIDC } from 'oidc-provider'
import { cibaGrant, deviceCodeGrant } from '../clients/client.ts'

/**
 * Gives the engine's answer the code that RFC 6749 §5.2 has for it: a client that may not use a grant type is
 * `unauthorized_client`, the engine says `invalid_request` (P-042).
 */
export function correctErrorCodes(provider: Provider): void {
  const events: EventEmitter = provider
  const correct = (ctx: KoaContextWithOIDC, error: Error, grantType: unknown) => {
    const { client } = ctx.oidc
    if (!(error instanceof errors.InvalidRequest) || !client || typeof grantType !== 'string')
      return
    if (client.grantTypeAllowed(grantType)) return
    ctx.body = { ...(ctx.body as object), error: 'unauthorized_client' }
  }
  events.on('grant.error', (ctx: KoaContextWithOIDC, error: Error) =>
    correct(ctx, error, ctx.oidc.params?.['grant_type']),
  )
  events.on('device_authorization.error', (ctx: KoaContextWithOIDC, error: Error) =>
    correct(ctx, error, deviceCodeGrant),
  )
  events.on('backchannel_authentication.error', (ctx: KoaContextWithOIDC, error: Error) =>
    correct(ctx, error, cibaGrant),
  )
}
