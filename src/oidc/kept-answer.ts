import type { Client as EngineClient } from 'oidc-provider'
import { type ReplayableAnswer, sealAnswer } from '../families/replay.ts'
import type { IssuerContext } from './capabilities.ts'
import { refreshPolicy } from './refresh-policy.ts'

/**
 * The answer to a refresh, sealed under the presented token, for a client that did not receive it; undefined where the
 * client's policy has no replay.
 */
export function keptAnswer(
  { config, clock }: Pick<IssuerContext, 'config' | 'clock'>,
  client: EngineClient | undefined,
  presented: string,
  { body, asked }: Pick<ReplayableAnswer, 'body' | 'asked'>,
): string | undefined {
  if (refreshPolicy(config, client).replayWindow === 0) return undefined
  const expiresAt = clock.now() + Number(body['expires_in']) * 1000
  return sealAnswer(presented, { body, asked, expiresAt })
}
