import type { Client as EngineClient } from 'oidc-provider'
import type { Config } from '../../config/config.ts'

/** How the refresh tokens of a client behave; times in seconds. */
export interface RefreshPolicy {
  idleTtl: number
  absoluteTtl: number
  /** 0 disables replay. */
  replayWindow: number
  rotates: boolean
}

/**
 * The settings of the client, else those of the installation. A token that is bound to no key always rotates (RFC 9700
 * §4.14.2), whatever `rotates` says; FAPI 2.0 §5.3.2.1 wants no rotation of bound ones.
 */
export function refreshPolicy(config: Config, client: EngineClient | undefined): RefreshPolicy {
  const own = (member: string) => client?.[member] as number | undefined
  return {
    idleTtl: own('refresh_token_idle_ttl') ?? config.refreshTokenIdleTtl,
    absoluteTtl: own('refresh_token_absolute_ttl') ?? config.refreshTokenAbsoluteTtl,
    replayWindow: own('refresh_replay_window') ?? config.refreshReplayWindow,
    rotates: client?.['refresh_token_rotation'] !== 'never',
  }
}
