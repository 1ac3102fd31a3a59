import Provider, { type Adapter, type AdapterPayload } from 'oidc-provider'
import type { NewToken } from '../../families/family.store.ts'
import type { Consumption, StoredRefreshToken } from '../../families/family.ts'
import { looksLikeRefreshToken } from '../../families/handle.ts'
import { openAnswer } from '../../families/replay.ts'
import { hashOf } from '../../secrets/handle.ts'
import type { IssuerContext } from '../capabilities.ts'
import { refreshPolicy } from '../refresh-policy.ts'
import { currentTokenRequest, requiredTokenRequest, type TokenRequest } from '../token-request.ts'
import { inert } from './inert.ts'

/**
 * Refresh tokens live in families. The engine calls `find`, then `consume` of the old token, then `upsert` of its
 * successor, or of the first token of a family. The last two are deferred until the answer is known, and become one
 * statement with it (token-endpoint.ts), so that nothing can come between them.
 *
 * | the presented token              | the engine sees      | result                                      |
 * |----------------------------------|----------------------|---------------------------------------------|
 * | is valid                         | a token              | rotation; by policy, an extension instead   |
 * | consumed, in the replay window   | a token              | every check again, then the same answer     |
 * | consumed, later                  | a consumed token     | refused, the family ends                    |
 * | consumed, purged since           | none                 | refused, the family ends                    |
 * | of a family that has ended       | none                 | refused                                     |
 */
export function refreshTokenAdapter(context: IssuerContext): Adapter {
  const { tenant, families, config, clock } = context

  const policy = () => refreshPolicy(config, Provider.ctx?.oidc.client)

  function restored(id: string, { payload, consumed }: StoredRefreshToken): AdapterPayload {
    return {
      ...(payload as AdapterPayload),
      jti: id,
      ...(consumed === undefined ? {} : { consumed: Math.floor(consumed.at / 1000) }),
    }
  }

  function endForReuse(request: TokenRequest, familyId: string, consumed?: Consumption): void {
    const { unit, presenter } = request
    unit.onRefusal(() => families.endForReuse(tenant, familyId, { presenter, consumed }))
  }

  /** A token whose row was purged must have been used: its family ends all the same. */
  async function refuseForgotten(id: string, request: TokenRequest): Promise<undefined> {
    const family = await families.findForgotten(tenant, id)
    const isCallers = family?.clientId === Provider.ctx?.oidc.client?.clientId
    if (family && isCallers) endForReuse(request, family.id)
    return undefined
  }

  async function present(id: string, request: TokenRequest): Promise<AdapterPayload | undefined> {
    // A token without our MAC usually has no row; if it has one, the row decides (ADR 0009).
    const isOurs = families.namedBy(id) !== undefined
    if (!isOurs && !(await families.find(tenant, hashOf(id)))) return undefined
    await request.unit.open()
    const stored = await families.findLocked(tenant, hashOf(id))
    if (!stored) return refuseForgotten(id, request)
    request.familyId = stored.familyId
    request.grant = stored.grant
    request.account = stored.account
    request.jkt = (stored.payload as AdapterPayload).jkt
    const { consumed } = stored
    if (!consumed) {
      const { iiat = 0, exp = 0 } = stored.payload as AdapterPayload
      request.presented = { hash: hashOf(id), startedAt: iiat, exp }
      return restored(id, stored)
    }

    // A request that waited for the lock has not read the successor: it was issued just now.
    const { answer, successorExpiresAt = Infinity } = consumed
    if (answer !== undefined && (await families.mayReplay(consumed, policy().replayWindow))) {
      request.replay = { hash: hashOf(id), answer: openAnswer(id, answer) }
      const { consumed: _consumed, ...live } = stored
      // The old token may have expired since: it is accepted for as long as its successor lives.
      return { ...restored(id, live), exp: successorExpiresAt / 1000 }
    }
    // Registered here, as the engine checks the expiry before it notices the reuse.
    if (stored.payload['clientId'] === Provider.ctx?.oidc.client?.clientId) {
      endForReuse(request, stored.familyId, consumed)
    }
    return restored(id, stored)
  }

  function start(payload: AdapterPayload, token: NewToken): void {
    const request = requiredTokenRequest()
    const { familyId, allowedFrom, presenter } = request
    const { grantId, accountId, clientId, sessionUid, expiresWithSession } = payload
    if (!familyId || !grantId || !accountId || !clientId) {
      throw new Error('a refresh token without a family, grant, account or client')
    }
    const family = {
      tenant,
      id: familyId,
      grantId,
      accountId,
      clientId,
      sessionUid,
      endsWithSession: expiresWithSession === true,
      expiresAt: clock.now() + policy().absoluteTtl * 1000,
      allowedFrom: allowedFrom ?? presenter,
    }
    request.starting = { family, token }
  }

  return {
    ...inert,
    async find(id) {
      const request = currentTokenRequest()
      if (request) return present(id, request)
      // The engine looks up any kind of token here.
      if (!looksLikeRefreshToken(id)) return undefined
      const stored = await families.find(tenant, hashOf(id))
      return stored && restored(id, stored)
    },
    async consume(id) {
      const request = requiredTokenRequest()
      if (!request.replay) request.rotating = { presented: id }
    },
    async upsert(id, { jti: _jti, consumed: _consumed, ...payload }, expiresIn = 0) {
      const request = requiredTokenRequest()
      if (request.replay) return
      const token: NewToken = {
        hash: hashOf(id),
        payload,
        expiresAt: clock.now() + expiresIn * 1000,
        issuedTo: request.presenter,
      }
      if (request.rotating) request.rotating.successor = token
      else start(payload, token)
    },
    // At the token endpoint the engine destroys a reused token; `find` has dealt with that already.
    async destroy(id) {
      if (currentTokenRequest()) return
      const stored = await families.find(tenant, hashOf(id))
      if (stored) await families.end(tenant, stored.familyId, 'revoked')
    },
  }
}
