import Provider, { type Adapter } from 'oidc-provider'
import { accessTokenAdapter } from './adapters/access-token.ts'
import { authorizationCodeAdapter } from './adapters/authorization-code.ts'
import { backchannelRequestAdapter } from './adapters/backchannel-request.ts'
import { clientAdapter } from './adapters/client.ts'
import { deviceCodeAdapter } from './adapters/device-code.ts'
import { grantAdapter } from './adapters/grant.ts'
import { interactionAdapter } from './adapters/interaction.ts'
import { pushedRequestAdapter } from './adapters/pushed-request.ts'
import { refreshTokenAdapter } from './adapters/refresh-token.ts'
import { sessionAdapter } from './adapters/session.ts'
import { shortLivedAdapter } from './adapters/short-lived.ts'
import type { IssuerContext } from './capabilities.ts'
import { takeRoom } from './growth.ts'
import type { ResourceAccess } from './resource-access.ts'
import type { StructuredTokens } from './structured-tokens.ts'

/**
 * Where each model of the engine lives.
 *
 * | model                                         | payload                   | that it was used      |
 * |-----------------------------------------------|---------------------------|-----------------------|
 * | Client, Grant, Session, RefreshToken          | Postgres                  | Postgres              |
 * | InitialAccessToken, RegistrationAccessToken   | Postgres                  | –                     |
 * | AuthorizationCode, DeviceCode, PushedAuthorizationRequest, BackchannelAuthenticationRequest, PreAuthorizedCode | short-lived | Postgres |
 * | Interaction, AccessToken, ClientCredentials   | short-lived               | –                     |
 * | ReplayDetection                               | –                         | Postgres              |
 */
export function createAdapter(
  context: IssuerContext,
  structured: StructuredTokens,
  access: ResourceAccess,
) {
  /** Checks before storing: untrusted callers can store only a limited amount (growth.ts). */
  const limited = (model: string, adapter: Adapter): Adapter => ({
    ...adapter,
    async upsert(id, payload, expiresIn) {
      await takeRoom(context, Provider.ctx, model, payload)
      return adapter.upsert(id, payload, expiresIn)
    },
  })

  function adapterOf(model: string): Adapter {
    switch (model) {
      case 'Client':
        return clientAdapter(context)
      case 'Grant':
        return grantAdapter(context)
      case 'Session':
        return sessionAdapter(context)
      case 'RefreshToken':
        return refreshTokenAdapter(context)
      case 'AuthorizationCode':
        return authorizationCodeAdapter(context)
      case 'PushedAuthorizationRequest':
        return pushedRequestAdapter(context)
      case 'DeviceCode':
        return deviceCodeAdapter(context)
      case 'BackchannelAuthenticationRequest':
        return backchannelRequestAdapter(context)
      case 'Interaction':
        return interactionAdapter(context)
      case 'AccessToken':
      case 'ClientCredentials':
        return accessTokenAdapter(model, context, structured, access)
      default:
        return shortLivedAdapter(model, context)
    }
  }

  return (model: string): Adapter => limited(model, adapterOf(model))
}
