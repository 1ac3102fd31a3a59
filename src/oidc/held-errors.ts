import type { EventEmitter } from 'node:events'
import type Provider from 'oidc-provider'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { ClientMetadata } from '../clients/client.ts'
import { isTrustedWithErrors } from '../clients/error-trust.ts'
import { present } from '../present.ts'
import type { EngineError } from './refused-checks.ts'

/** An error of an authorization request that may reach the client only if the user continues. */
export interface HeldError {
  error: string
  description?: string
}

/**
 * Notes errors that are about to go to a client (RFC 9700 §4.11.2, P-016), by request. The first row that applies
 * decides.
 *
 * | the client, the user, the request   | the error               |
 * |-------------------------------------|-------------------------|
 * | a client trusted with errors        | goes there              |
 * | a user is signed in                 | goes there              |
 * | `prompt=none`: no page is shown     | goes there              |
 * | all others                          | is held, and shown here |
 */
export function noteHeldErrors(provider: Provider): (ctx: object) => HeldError | undefined {
  const held = new WeakMap<object, HeldError>()
  const events: EventEmitter = provider
  events.on(
    'authorization.error',
    (ctx: KoaContextWithOIDC, { message: error, error_description: description }: EngineError) => {
      const { client, session, params } = ctx.oidc
      if (!client || isTrustedWithErrors(client.metadata() as ClientMetadata)) return
      if (session?.accountId || (params ?? ctx.query)['prompt'] === 'none') return
      held.set(ctx, { error, ...present({ description }) })
    },
  )
  return (ctx) => held.get(ctx)
}
