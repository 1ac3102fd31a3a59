import { z } from 'zod'
import { present } from '../present.ts'

/** An ended session at a client, of which the client must be notified. */
export interface EndedPart {
  accountId: string
  clientId: string
  /** The session at this client; undefined when all of this person's sessions there ended. */
  sid?: string | undefined
}

/** What is stored of a logout until it is delivered. */
export const pendingLogout = z.object({
  client_id: z.string(),
  account_id: z.string(),
  sid: z.string().optional(),
  everywhere: z.boolean(),
})
export type PendingLogout = z.infer<typeof pendingLogout>

/** Lifetime of a logout token in seconds (OpenID Connect Back-Channel Logout §2.4: at most two minutes). */
const tokenTtl = 120

/** The `typ` of a logout token, so that it is never taken for an ID token (§2.4, RFC 8725 §3.11). */
export const logoutTokenType = 'logout+jwt'

/**
 * The claims of a logout token (OpenID Connect Back-Channel Logout §2.4). It has both `sub` and `sid`, as clients index
 * their sessions by either. Exception: when one of several sessions ends, a client that requires `sid` gets no `sub`,
 * as some would end all sessions of that person.
 * @param id of the message: the same `jti` on every attempt
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

/** Removes duplicates. */
export function distinct(parts: EndedPart[]): EndedPart[] {
  const keyOf = ({ accountId, clientId, sid }: EndedPart) =>
    JSON.stringify([accountId, clientId, sid])
  return [...new Map(parts.map((part) => [keyOf(part), part])).values()]
}
