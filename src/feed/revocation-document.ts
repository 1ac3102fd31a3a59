import type { DenialKind } from '../denials/denials.ts'
import type { DenyListEntry } from '../denials/deny-list.ts'

/** The `typ` that keeps the JWT from being taken for a token (RFC 8725 §3.11). */
export const revocationsType = 'revocations+jwt'

/** Seconds that a document is valid. */
export const documentLife = 30

/**
 * The claim of an access token that an entry is matched with. Accounts have none: `sub` would reveal to readers the
 * subject of the user at other sectors (OpenID Connect Core §8.1), and `gid` identifies each token just as well.
 */
const claimOf: Partial<Record<DenialKind, string>> = {
  jti: 'jti',
  family: 'fid',
  grant: 'gid',
  session: 'sid',
  client: 'client_id',
  tenant: 'tenant_id',
}

/**
 * Claim name → value → what is denied: tokens with an `iat` up to the first figure, or all where it is null; the entry
 * may be forgotten at the second. Both in seconds since the epoch.
 */
export type Revoked = Record<string, Record<string, [issuedUpTo: number | null, until: number]>>

export function revokedBy(entries: DenyListEntry[]): Revoked {
  const byClaim = new Map<string, Array<[string, [number | null, number]]>>()
  for (const { kind, subject, notBefore, expiresAt } of entries) {
    const claim = claimOf[kind]
    if (claim === undefined) continue
    const list = byClaim.get(claim) ?? []
    list.push([
      subject,
      [
        Number.isFinite(notBefore) ? Math.floor(notBefore / 1000) : null,
        Math.ceil(expiresAt / 1000),
      ],
    ])
    byClaim.set(claim, list)
  }
  // `fromEntries` defines members of any name, such as `__proto__`; assignments would not.
  return Object.fromEntries([...byClaim].map(([claim, list]) => [claim, Object.fromEntries(list)]))
}

const cursorPattern = /^1-([0-9a-z]{8,9})$/

/** @param asOf milliseconds since the epoch */
export function cursorAt(asOf: number): string {
  return `1-${asOf.toString(36)}`
}

/** The time of a cursor, in milliseconds; undefined for anything else. */
export function timeOfCursor(cursor: string): number | undefined {
  const [, time] = cursorPattern.exec(cursor) ?? []
  return time === undefined ? undefined : Number.parseInt(time, 36)
}
