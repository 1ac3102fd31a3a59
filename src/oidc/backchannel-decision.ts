import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import { errors } from 'oidc-provider'
import type { Presenter } from '../families/replay.ts'
import { present } from '../present.ts'
import { type AcrRequest, multiFactor, needsFactor, wishesOf } from './authentication-context.ts'
import { type AskedPayload, createStoredRequests } from './backchannel-requests.ts'
import type { IssuerContext } from './capabilities.ts'
import { type Consent, rememberConsent } from './consent.ts'
import { scopeSet } from './scopes.ts'
import { presenterOf } from './token-request.ts'

/** A backchannel authentication request that waits for its person, without the engine's types. */
export interface WaitingRequest {
  /** Names the request, without being its `auth_req_id`. */
  id: string
  clientId: string
  bindingMessage?: string
  /** Everything that was asked for. */
  requested: { scopes: string[]; resources: string[] }
  wanted: Consent
  /** Who sent it, and when; milliseconds since the epoch. */
  askedFrom: Presenter
  askedAt: number
  expiresAt: number
}

/** What users can do with their pending requests. */
export interface BackchannelDecisions {
  waiting(accountId: string): Promise<WaitingRequest[]>
  find(accountId: string, id: string): Promise<WaitingRequest | undefined>
  /**
   * What a user has to do before allowing a request: add a second factor, or sign in again. Signing in again is
   * required by `max_age`, by `require_mfa` of client or tenant, and by an `acr` that is essential, or voluntary and
   * possible for the user.
   */
  needs(ctx: Context, accountId: string, id: string): Promise<'sign_in' | 'factor' | undefined>
  /** Both return false if the request has ended in between. */
  allow(ctx: Context, accountId: string, id: string): Promise<boolean>
  deny(ctx: Context, accountId: string, id: string): Promise<boolean>
}

/**
 * Seconds that a sign-in counts as recent in any case if it was made for the request: reading the page takes time, even
 * where `max_age` is 0.
 */
const readingTime = 120

export function createBackchannelDecisions(
  provider: Provider,
  context: IssuerContext,
): BackchannelDecisions {
  const { tenant, clock, clients, factors } = context
  const requests = createStoredRequests(context)

  /** The request, if it waits for this account and its client is enabled. */
  async function found(accountId: string, id: string): Promise<AskedPayload | undefined> {
    const request = await requests.find(id)
    if (request.state !== 'waiting' || request.asked.accountId !== accountId) return undefined
    return (await clients.find(tenant, request.asked.clientId)) && request.asked
  }

  /** Whether a sign-in is as strong as the client, or this request, requires. */
  async function isStrong(asked: AskedPayload, acr: string | undefined): Promise<boolean> {
    if (acr === multiFactor) return true
    if (wishesForFactor(asked) === 'essential') return false
    const { metadata } = (await clients.find(tenant, asked.clientId)) ?? {}
    return !(await needsFactor(context, metadata as object | undefined))
  }

  return {
    async waiting(accountId) {
      const waiting: WaitingRequest[] = []
      for (const { hash, asked } of await requests.waiting(accountId)) {
        if (await clients.find(tenant, asked.clientId)) waiting.push(toView(hash, asked))
      }
      return waiting
    },

    async find(accountId, id) {
      const asked = await found(accountId, id)
      return asked && toView(id, asked)
    },

    async needs(ctx, accountId, id) {
      const asked = await found(accountId, id)
      if (!asked) return undefined
      const { loginTs, acr } = await provider.Session.get(ctx)
      const isEnough = await isStrong(asked, acr)
      if (!isEnough || (acr !== multiFactor && wishesForFactor(asked))) {
        if (await factors.asked(tenant, accountId)) return 'sign_in'
        if (!isEnough) return 'factor'
      }
      return isFresh(asked, loginTs, clock.seconds()) ? undefined : 'sign_in'
    },

    async allow(ctx, accountId, id) {
      const asked = await found(accountId, id)
      if (!asked) return false
      const session = await provider.Session.get(ctx)
      const { clientId, wanted } = asked
      if (session.accountId !== accountId) return false
      if (!isFresh(asked, session.loginTs, clock.seconds())) return false
      if (!(await isStrong(asked, session.acr))) return false

      const grantId = await rememberConsent(context, provider, { accountId, clientId }, wanted)
      if (grantId === undefined) return false
      const scopes = new Set([...wanted.openidScopes, ...Object.values(wanted.resources).flat()])
      const expiresWithSession = !scopes.has('offline_access')
      session.ensureClientContainer(clientId)
      session.grantIdFor(clientId, grantId)
      if (!expiresWithSession) session.authorizationFor(clientId).persistsLogout = true
      const stillSignedIn = await session.persist().then(
        () => true,
        (error: unknown) => {
          // Signed out concurrently, in another tab or by an operator.
          if (error instanceof errors.LoginRequired) return false
          throw error
        },
      )
      if (!stillSignedIn) return false

      return requests.decide(id, {
        ...asked,
        grantId,
        scope: [...scopes].join(' '),
        authTime: session.authTime(),
        ...present({ acr: session.acr, amr: session.amr }),
        sessionUid: session.uid,
        sid: session.sidFor(clientId),
        ...(expiresWithSession ? { expiresWithSession } : {}),
        allowedFrom: presenterOf(ctx),
      })
    },

    async deny(ctx, accountId, id) {
      const asked = await found(accountId, id)
      const denied = { error: 'access_denied', allowedFrom: presenterOf(ctx) }
      return asked ? requests.decide(id, { ...asked, ...denied }) : false
    },
  }
}

/** Whether a request asks for two factors, and whether that is essential (OpenID Connect Core §5.5.1.1, CIBA §7.1). */
function wishesForFactor({ claims }: AskedPayload): 'essential' | 'voluntary' | undefined {
  const acr = claims?.id_token?.['acr'] as AcrRequest | null | undefined
  if (!wishesOf(acr).includes(multiFactor)) return undefined
  return acr?.essential ? 'essential' : 'voluntary'
}

/**
 * Whether a sign-in is recent enough (OpenID Connect Core §3.1.2.1, `max_age`): made within that time, or made for this
 * request within `readingTime`.
 * @param loginTs seconds since the epoch, as `now`
 */
function isFresh({ params, iat }: AskedPayload, loginTs: number | undefined, now: number): boolean {
  const maxAge = params?.['max_age']
  if (maxAge === undefined) return true
  if (loginTs === undefined) return false
  const age = now - loginTs
  return age <= Number(maxAge) || (loginTs >= iat && age <= readingTime)
}

function toView(id: string, asked: AskedPayload): WaitingRequest {
  const { clientId, params, scope, resource, wanted, askedFrom, iat, exp } = asked
  const bindingMessage = params?.['binding_message'] as string | undefined
  return {
    id,
    clientId,
    ...present({ bindingMessage }),
    requested: { scopes: [...scopeSet(scope)], resources: [resource ?? []].flat() },
    wanted,
    askedFrom,
    askedAt: iat * 1000,
    expiresAt: exp * 1000,
  }
}
