import type { AdapterPayload } from 'oidc-provider'
import { familyStartedBy } from '../families/family.ts'
import { hashOf } from '../secrets/handle.ts'
import type { Held } from '../sessions/redemptions.ts'
import { denialsNaming, traceClaims } from './access-token.ts'
import type { IssuerContext } from './capabilities.ts'
import { invalidGrant, requiredTokenRequest } from './token-request.ts'

/** The members of a payload that say what it hangs from. */
type Payload = Pick<
  AdapterPayload,
  'accountId' | 'clientId' | 'grantId' | 'sessionUid' | 'expiresWithSession'
>

/**
 * The common part of what is redeemed for tokens once, at the token endpoint. Redeeming it again, at the same moment or
 * later, is refused, and ends what was issued first (RFC 6749 §4.1.2, RFC 9700 §4.2.4).
 */
export interface Redemption {
  /** Whether its session, account or client was ended while it was pending. @param since when it began, in seconds */
  isDenied(payload: Payload, since: number): boolean
  /**
   * Opens the token transaction, locks what it hangs from, and claims it (architecture §6).
   * @param verifiedAt when its sign-in was checked, in milliseconds, where its account must be locked
   */
  hold(id: string, payload: Payload, verifiedAt?: number): Promise<Held>
  /** The same in a transaction that is open, outside of the engine. */
  take(id: string, payload: Payload, verifiedAt?: number): Promise<Held>
  /** Ends what was issued for it, as it was used before. */
  endWhatItIssued(id: string): void
  /**
   * Called by the engine.
   * @throws errors.InvalidGrant when it was used already, or its client was disabled concurrently
   */
  consume(): void
}

/** @param ttl longest life, in seconds */
export function createRedemption(
  kind: string,
  { tenant, families, denials, redemptions, clock }: IssuerContext,
  ttl: number,
): Redemption {
  function endWhatItIssued(id: string): void {
    const { unit } = requiredTokenRequest()
    unit.onRefusal(() => families.end(tenant, familyStartedBy(hashOf(id)), 'code_reuse'))
  }

  function take(id: string, payload: Payload, verifiedAt?: number): Promise<Held> {
    const { accountId, clientId, grantId, sessionUid, expiresWithSession } = payload
    const isBound = verifiedAt === undefined || expiresWithSession === true
    return redemptions.hold({
      claim: { tenant, kind, key: hashOf(id) },
      until: clock.now() + (ttl + 60) * 1000,
      accountId: accountId as string,
      clientId: clientId as string,
      grantId: grantId as string,
      // What includes offline_access outlives the session in which it was allowed.
      sessionUid: isBound ? (sessionUid ?? '') : undefined,
      verifiedAt,
    })
  }

  return {
    take,
    isDenied(payload, since) {
      const extra = { ...traceClaims(tenant, payload, undefined) }
      return denials.anyDenies(tenant, denialsNaming({ ...payload, extra }), since)
    },
    endWhatItIssued,
    async hold(id, payload, verifiedAt) {
      const request = requiredTokenRequest()
      await request.unit.open()
      const held = await take(id, payload, verifiedAt)
      request.held = { id, ...held }
      request.grant = held.grant
      request.account = held.account
      return held
    },
    consume() {
      const { held } = requiredTokenRequest()
      if (held?.isFirst) return
      if (!held?.hasClient) throw invalidGrant('the client was disabled meanwhile')
      endWhatItIssued(held.id)
      throw invalidGrant('code already used')
    },
  }
}
