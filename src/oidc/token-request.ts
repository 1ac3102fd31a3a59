import type { Context } from 'koa'
import Provider, { errors } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { NewToken } from '../families/family.store.ts'
import type { Family } from '../families/family.ts'
import type { Presenter, ReplayableAnswer } from '../families/replay.ts'
import type { Grant } from '../grants/grant.ts'
import { userAgentIn } from '../origin.ts'
import { present } from '../present.ts'
import type { Held } from '../sessions/redemptions.ts'
import type { Unit } from '../storage/database.ts'

/** State that the adapters share within one token request; the engine calls them one by one. */
export interface TokenRequest {
  unit: Unit
  presenter: Presenter
  /** The browser in which a person allowed what is redeemed; absent where it is the presenter's own device. */
  allowedFrom?: Presenter
  /** When the redeemed code was allowed, in seconds. */
  allowedAt?: number
  /** What is redeemed, and the rows it hangs from. */
  held?: Held & { id: string }
  /** The family to start, deferred until all that is recorded with it is known. */
  starting?: { family: Family; token: NewToken }
  /** The family that the presented code starts, or the presented refresh token belongs to. */
  familyId?: string
  /** The thumbprint of the key that the presented refresh token is bound to. */
  jkt?: string | undefined
  /** Read with the family, or locked with what is redeemed. */
  grant?: Grant | undefined
  account?: Account | undefined
  /** The live refresh token that was presented; times in seconds since the epoch. */
  presented?: { hash: string; startedAt: number; exp: number }
  /** The refresh token that is being replaced. */
  rotating?: { presented: string; successor?: NewToken }
  /** The previous token came again within the window: its first answer. */
  replay?: { hash: string; answer: ReplayableAnswer }
}

const requests = new WeakMap<object, TokenRequest>()

/** Marks a request to the token endpoint as a unit of work (architecture §6). */
export function beginTokenRequest(ctx: Context, unit: Unit): TokenRequest {
  const request: TokenRequest = { unit, presenter: presenterOf(ctx) }
  requests.set(ctx, request)
  return request
}

/** Who sent a request. */
export function presenterOf(ctx: Context): Presenter & { ip: string } {
  const userAgent = userAgentIn(ctx.get('user-agent'))
  return { ip: ctx.ip, ...present({ userAgent }) }
}

/** The token request that the engine is working on, or undefined on every other route. */
export function currentTokenRequest(): TokenRequest | undefined {
  return Provider.ctx && requests.get(Provider.ctx)
}

/** The same, for adapters that are called only there. @throws Error on another route: the engine must have changed */
export function requiredTokenRequest(): TokenRequest {
  const request = currentTokenRequest()
  if (!request) throw new Error('a grant was redeemed outside the token endpoint')
  return request
}

/** `invalid_grant` (RFC 6749 §5.2); the reason is only logged. */
export function invalidGrant(reason: string): Error {
  return new errors.InvalidGrant(reason)
}
