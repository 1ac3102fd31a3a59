import { z } from 'zod'
import { present } from '../present.ts'

/** A client that has to hear that a session is over, or what it got in one. */
export interface EndedPart {
  accountId: string
  clientId: string
  /** The session at this client; absent when all that this person has there is meant. */
  sid?: string | undefined
}

/** What is stored of one until it is delivered. */
export const pendingLogout = z.object({
  client_id: z.string(),
  account_id: z.string(),
  sid: z.string().optional(),
  everywhere: z.boolean(),
})
export type PendingLogout = z.infer<typeof pendingLogout>

/** Seconds that a logout token is good for (OpenID Connect Back-Channel Logout §2.4: two minutes at most). */
const tokenTtl = 120

/** The `typ` of a logout token, so that it is never taken for an ID token (§2.4, RFC 8725 §3.11). */
export const logoutTokenType = 'logout+jwt'

/**
 * The claims of a logout token (OpenID Connect Back-Channel Logout §2.4). `sub` and `sid` both, as clients keep their
 * sessions by one or the other. Only a client that says that it goes by `sid` is not told of `sub` when one of several
 * sessions ends: some take `sub` for all that this person has there.
 * @param id of the message: the same `jti` at every attempt
 * @param sessionRequired the client's `backchannel_logout_session_required`
 * @param now seconds since the epoch
 */
export function logoutClaims(
  issuer: string,
  id: string,
  { client_id, account_id, sid, everywhere }: PendingLogout,
  sessionRequired: boolean,
  now: number,
): Record<string, unknown> {
  const bySidAlone = sessionRequired && sid !== undefined && !everywhere
  return {
    iss: issuer,
    aud: client_id,
    iat: now,
    exp: now + tokenTtl,
    jti: id,
    ...(bySidAlone ? {} : { sub: account_id }),
    ...present({ sid }),
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  }
}

/** Each part once. */
export function distinct(parts: EndedPart[]): EndedPart[] {
  const keyOf = ({ accountId, clientId, sid }: EndedPart) =>
    JSON.stringify([accountId, clientId, sid])
  return [...new Map(parts.map((part) => [keyOf(part), part])).values()]
}
