import type { Configuration, Client as EngineClient } from 'oidc-provider'
import { fapiCodeTtl } from '../clients/fapi.ts'
import type { IssuerContext } from './capabilities.ts'
import { refreshPolicy } from './refresh-policy.ts'

/** The engine requires an expiry; a grant lives until it is revoked, and so outlives every family (architecture §6). */
export const foreverSeconds = 100 * 365 * 24 * 3600

/** Seconds that the clock of a client may be ahead (P-053). */
export const mostAhead = 60

/** Longest life, in seconds, of what a client signs about itself: its `jti` is kept that long (P-052). */
export const longestLife = 3600

/** Seconds past its `exp` that the engine still accepts an artifact, so it is kept that much longer. */
export const clockTolerance = 15

/** The lifetimes of all that the engine issues, in seconds. */
export function lifetimes({ config, clock }: IssuerContext): NonNullable<Configuration['ttl']> {
  return {
    AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? config.accessTokenTtl,
    ClientCredentials: config.accessTokenTtl,
    AuthorizationCode: (_ctx, _code, client) =>
      client['fapi']
        ? Math.min(config.authorizationCodeTtl, fapiCodeTtl)
        : config.authorizationCodeTtl,
    DeviceCode: config.deviceCodeTtl,
    BackchannelAuthenticationRequest(ctx) {
      const requested = ctx.oidc.params?.['requested_expiry']
      return Math.min(
        Number(requested ?? config.backchannelRequestTtl),
        config.backchannelRequestTtl,
      )
    },
    IdToken: config.idTokenTtl,
    Interaction: config.interactionTtl,
    Grant: foreverSeconds,
    RefreshToken: (_ctx, token, client) => refreshTokenTtl({ config, clock }, client, token.iiat),
    Session: (_ctx, session) =>
      atLeastOne(
        session.loginTs === undefined
          ? config.interactionTtl
          : Math.min(
              config.sessionIdleTtl,
              session.loginTs + config.sessionAbsoluteTtl - clock.seconds(),
            ),
      ),
  }
}

/** Seconds that a refresh token of a client lives. @param startedAt when its family began, in seconds; now when absent */
export function refreshTokenTtl(
  { config, clock }: Pick<IssuerContext, 'config' | 'clock'>,
  client: EngineClient | undefined,
  startedAt = clock.seconds(),
): number {
  const { idleTtl, absoluteTtl } = refreshPolicy(config, client)
  return atLeastOne(Math.min(idleTtl, startedAt + absoluteTtl - clock.seconds()))
}

/** The engine accepts no lifetime below a second; what lives one second is over. */
function atLeastOne(seconds: number): number {
  return Math.max(1, Math.floor(seconds))
}
