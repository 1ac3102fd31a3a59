import type { AccessTokenClaims } from '../access-token.ts'
import { now } from '../clock.ts'
import type { RevokedClaims } from './document.ts'

/** Revocations of unexpired tokens, in memory. */
export interface RevokedList {
  /** Adds entries; it never removes a denial. @throws Error, adding nothing, when the list could become too large */
  add(revoked: RevokedClaims): void
  denies(claims: AccessTokenClaims): boolean
  size(): number
}

interface Entry {
  /** Seconds since the epoch; Infinity: whenever issued. */
  issuedUpTo: number
  expiresAt: number
}

/** Seconds between two removals of expired entries. */
const forgetEvery = 30

/** @param most entries at most */
export function createRevokedList(most: number, clockTolerance: number): RevokedList {
  const lists = new Map<string, Map<string, Entry>>()
  let forgotAt = now()

  /** Entries are kept past `expiresAt` by the clock tolerance, for which tokens stay valid after `exp`. */
  function forget(): void {
    forgotAt = now()
    for (const list of lists.values()) {
      for (const [value, { expiresAt }] of list) {
        if (expiresAt + clockTolerance < forgotAt) list.delete(value)
      }
    }
  }

  function put(list: Map<string, Entry>, value: string, issuedUpTo: number, expiresAt: number) {
    const known = list.get(value)
    list.set(value, {
      issuedUpTo: Math.max(issuedUpTo, known?.issuedUpTo ?? -Infinity),
      expiresAt: Math.max(expiresAt, known?.expiresAt ?? -Infinity),
    })
  }

  const size = () => [...lists.values()].reduce((sum, list) => sum + list.size, 0)

  return {
    add(revoked) {
      const more = Object.values(revoked).reduce(
        (sum, entries) => sum + Object.keys(entries).length,
        0,
      )
      if (now() - forgotAt > forgetEvery || size() + more > most) forget()
      if (size() + more > most) throw new Error(`more than ${most} revocations at once`)
      for (const [claim, entries] of Object.entries(revoked)) {
        const list = lists.get(claim) ?? new Map<string, Entry>()
        lists.set(claim, list)
        for (const [value, [issuedUpTo, expiresAt]] of Object.entries(entries)) {
          put(list, value, issuedUpTo ?? Infinity, expiresAt)
        }
      }
    },
    denies: (claims) =>
      [...lists].some(([claim, list]) => {
        const value = claims[claim]
        const entry = typeof value === 'string' ? list.get(value) : undefined
        return entry !== undefined && claims.iat <= entry.issuedUpTo
      }),
    size,
  }
}
