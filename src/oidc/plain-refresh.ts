import type { AdapterPayload } from 'oidc-provider'
import { bindsTokens } from '../clients/binds-tokens.ts'
import type { StoredRefreshToken } from '../families/family.ts'
import type { Presenter } from '../families/replay.ts'
import { hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { keptAnswer } from './kept-answer.ts'
import { refreshTokenTtl } from './lifetimes.ts'
import { isBound, standingOf, tokenAnswer } from './plain-grant.ts'
import type { PlainTokens } from './plain-tokens.ts'
import { refreshPolicy } from './refresh-policy.ts'
import { scopeSet } from './scopes.ts'
import type { SecretClient } from './secret-clients.ts'
import { countIssued } from './token-endpoint.ts'

const grantType = 'refresh_token'

/** Milliseconds that a client is left to the engine after it got other tokens than this can issue. */
const otherFor = 60_000

/**
 * Refreshes a token of an authenticated client.
 * @returns the answer; undefined when the engine must answer, and nothing was written
 */
export type PlainRefresh = (
  presented: string,
  caller: SecretClient,
  issuedTo: Presenter,
) => Promise<object | undefined>

/**
 * A refresh (RFC 6749 §6) with rotation and a JWT access token, where token, family, grant and account are live. Two
 * statements, as in the engine's path: the first locks the family; the last consumes the token, stores its successor
 * and the sealed answer, and commits. Nothing is written before that one: every other case is rolled back and left to
 * the engine. So is every error; if it was that of the commit, a retry gets the stored answer.
 */
export function plainRefresh(context: IssuerContext, tokens: PlainTokens): PlainRefresh {
  const { tenant, clock, config, database, families } = context

  /**
   * Clients whose tokens contain an ID token or an opaque access token, and until when that is assumed without a look.
   */
  const others = new WeakMap<SecretClient, number>()

  function isPlainClient({ metadata, engine }: SecretClient): boolean {
    if (bindsTokens(metadata)) return false
    return refreshPolicy(config, engine).rotates && engine.grantTypeAllowed(grantType)
  }

  /** The presented token with its grant and account, if all of them allow the refresh. */
  async function usable(
    { payload: stored, consumed, grant, account }: StoredRefreshToken,
    { client: { clientId }, engine }: SecretClient,
  ) {
    const payload = stored as AdapterPayload
    const { iat = Infinity, exp = 0 } = payload
    const now = clock.seconds()
    if (consumed || payload.clientId !== clientId || exp <= now || iat > now) return undefined
    if (isBound(payload) || payload.expiresWithSession === true) return undefined
    const standing = await standingOf(context, 'RefreshToken', payload, { grant, account }, engine)
    return standing && { payload, ...standing }
  }

  /** The token's successor, as the engine would store it. */
  function successorOf(payload: AdapterPayload, handle: string, ttl: number, issuedTo: Presenter) {
    const { rotations, gty } = payload as { rotations?: unknown; gty?: string }
    const iat = clock.seconds()
    const next = {
      ...payload,
      iat,
      exp: iat + ttl,
      rotations: typeof rotations === 'number' ? rotations + 1 : 1,
      ...(gty && !gty.endsWith(grantType) ? { gty: `${gty} ${grantType}` } : {}),
    }
    return { hash: hashOf(handle), payload: next, expiresAt: clock.now() + ttl * 1000, issuedTo }
  }

  return async (presented, caller, issuedTo) => {
    if (!isPlainClient(caller) || (others.get(caller) ?? 0) > clock.now()) return undefined
    // The engine can refuse a foreign token without locking anything.
    if (families.namedBy(presented) === undefined) return undefined
    const { engine, metadata } = caller
    let answer: Record<string, unknown> | undefined
    let isDone = false
    await database.unit(async (unit) => {
      await unit.open()
      const hash = hashOf(presented)
      const stored = await families.findLocked(tenant, hash)
      const found = stored && (await usable(stored, caller))
      if (!found) return false
      const { payload, grant, account } = found
      const hasIdToken = scopeSet(payload.scope).has('openid')
      const within = hasIdToken ? undefined : await tokens.targetOf(payload, engine)
      if (!within) {
        others.set(caller, clock.now() + otherFor)
        return false
      }

      const target = within(grant)
      const { familyId } = stored
      const accountId = account.id
      const token = await tokens.sign(target, payload, { metadata, accountId, familyId })
      const handle = families.newToken(familyId)
      const ttl = refreshTokenTtl(context, engine, payload.iiat)
      const successor = successorOf(payload, handle, ttl, issuedTo)
      const body = tokenAnswer(target, { access: token, refresh: handle })
      const kept = keptAnswer(context, engine, presented, { body, asked: {} })
      answer = body
      unit.commitWith(async () => {
        isDone = await families.rotate(tenant, hash, successor, kept)
        return isDone
      })
      return true
    })
    if (!isDone) return undefined
    countIssued(context, grantType)
    return answer
  }
}
