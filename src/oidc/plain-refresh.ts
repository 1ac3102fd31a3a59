import type Provider from 'oidc-provider'
import type { AdapterPayload, Client as EngineClient, KoaContextWithOIDC } from 'oidc-provider'
import type { StoredRefreshToken } from '../families/family.ts'
import type { Presenter } from '../families/replay.ts'
import { hashOf, newHandle } from '../secrets/handle.ts'
import { signedJwt } from '../signing/jwt.ts'
import type { KeySet } from '../signing/key-set.ts'
import { traceClaims } from './access-token.ts'
import { isTooWeak } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'
import { keptAnswer } from './kept-answer.ts'
import { refreshTokenTtl } from './lifetimes.ts'
import { refreshPolicy } from './refresh-policy.ts'
import type { ResourceAccess } from './resource-access.ts'
import type { SecretClient } from './secret-clients.ts'
import { countIssued } from './token-endpoint.ts'

const grantType = 'refresh_token'

/** Milliseconds. */
const otherFor = 60_000

/** The request as the resource rules see it: none that narrows anything. */
const request = {
  oidc: { params: { grant_type: grantType }, route: 'token' },
} as unknown as KoaContextWithOIDC

/**
 * Refreshes with a token of a client that has authenticated.
 * @returns the answer; undefined when it is the stack's, and nothing was written
 */
export type PlainRefresh = (
  presented: string,
  caller: SecretClient,
  issuedTo: Presenter,
) => Promise<object | undefined>

/**
 * A refresh (RFC 6749 §6) that rotates, for a JWT, by a token that lives and whose family, grant and account do. Two
 * statements, as in the stack: the first locks the family, the last consumes the token, keeps its successor and the
 * sealed answer, and commits. Up to that one nothing is written: whatever is not so is rolled back, and handed over.
 * Should anything end in an error, the stack tells it, as it would tell its own; who comes again, where that was the
 * commit, gets the answer that was kept.
 */
export function plainRefresh(
  provider: Provider,
  context: IssuerContext,
  keys: KeySet,
  access: ResourceAccess,
): PlainRefresh {
  const { tenant, issuer, clock, config, database, families, subjects } = context

  /** Clients that get ID tokens or opaque access tokens, and until when that is taken for granted: it costs a look. */
  const others = new WeakMap<SecretClient, number>()

  function isPlainClient({ metadata, engine }: SecretClient): boolean {
    const isBound =
      metadata.dpop_bound_access_tokens || metadata.tls_client_certificate_bound_access_tokens
    return !isBound && refreshPolicy(config, engine).rotates && engine.grantTypeAllowed(grantType)
  }

  /** What the token is for: a resource server with JWTs, and the scopes that are left of it. */
  async function targetOf(
    payload: AdapterPayload,
    allowed: Record<string, unknown>,
    client: EngineClient,
  ) {
    const { resource: granted } = payload as { resource?: string | string[] }
    const scopes = payload.scope?.split(' ') ?? []
    if (granted === undefined || granted.length === 0 || scopes.includes('openid')) return undefined
    const resource = Array.isArray(granted)
      ? await access.defaultResource(request, client, granted)
      : granted
    if (Array.isArray(resource) || !granted.includes(resource)) return undefined
    const { scope, audience, accessTokenTTL, accessTokenFormat, jwt } =
      await access.getResourceServerInfo(request, resource, client)
    const alg = jwt?.sign && 'alg' in jwt.sign ? jwt.sign.alg : undefined
    const key = keys.signing.find((each) => each.alg === alg)
    if (accessTokenFormat !== 'jwt' || !key || !audience || !accessTokenTTL) return undefined
    const reachable = new Set(scope.split(' '))
    const grant = new provider.Grant(allowed)
    const left = grant.getResourceScopeFiltered(
      resource,
      scopes.filter((name) => reachable.has(name)),
    )
    return { audience, expiresIn: accessTokenTTL, key, scope: left }
  }

  /** The token that was presented, where all that it hangs from is as it must be. */
  async function usable(
    { payload: stored, consumed, grant, account }: StoredRefreshToken,
    { client: { clientId }, engine }: SecretClient,
  ) {
    const payload = stored as AdapterPayload
    const { accountId, grantId, acr, iat = Infinity, exp = 0 } = payload
    const now = clock.seconds()
    const isBound =
      payload.jkt ?? payload['x5t#S256'] ?? payload['attestationJkt'] ?? payload['rar']
    if (consumed || payload.clientId !== clientId || exp <= now || iat > now) return undefined
    if (isBound !== undefined || payload.expiresWithSession === true) return undefined
    if (grant?.id !== grantId || grant?.clientId !== clientId) return undefined
    if (accountId === undefined || grant.accountId !== accountId) return undefined
    if (account?.id !== accountId || account.disabled) return undefined
    if (await isTooWeak(context, engine, { kind: 'RefreshToken', ...(acr ? { acr } : {}) })) {
      return undefined
    }
    return { payload, grant, accountId }
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
    const { engine, metadata } = caller
    const { clientId } = caller.client
    let answer: Record<string, unknown> | undefined
    let isDone = false
    await database.unit(async (unit) => {
      await unit.open()
      const hash = hashOf(presented)
      const stored = await families.findLocked(tenant, hash)
      const found = stored && (await usable(stored, caller))
      if (!found) return false
      const { payload, grant, accountId } = found
      const target = await targetOf(payload, grant.allowed, engine)
      if (!target) {
        others.set(caller, clock.now() + otherFor)
        return false
      }

      const { audience, expiresIn, key, scope } = target
      const { sessionUid, authTime, acr, amr, iiat } = payload
      const origin = { grantId: grant.id, sessionUid, clientId }
      const iat = clock.seconds()
      const token = await signedJwt(key, 'at+jwt', {
        ...traceClaims(tenant, origin, stored.familyId),
        jti: newHandle(),
        sub: await subjects.of(tenant, metadata, accountId),
        iat,
        exp: iat + expiresIn,
        scope: scope || undefined,
        client_id: clientId,
        iss: issuer,
        aud: audience,
        auth_time: authTime,
        acr,
        amr,
      })
      const handle = families.newToken(stored.familyId)
      const ttl = refreshTokenTtl(context, engine, iiat)
      const successor = successorOf(payload, handle, ttl, issuedTo)
      const body = {
        access_token: token,
        expires_in: expiresIn,
        refresh_token: handle,
        ...(payload.scope || scope ? { scope } : {}),
        token_type: 'Bearer',
      }
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
