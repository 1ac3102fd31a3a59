import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { present } from '../../present.ts'
import { hashOf } from '../../secrets/handle.ts'
import { type Session, sidOf } from '../../sessions/session.ts'
import { accountClientId } from '../account-client.ts'
import { namedClient, rememberPerson } from '../authorization-request.ts'
import type { IssuerContext } from '../capabilities.ts'
import { signOut } from '../signed-out.ts'
import { currentTokenRequest, presenterOf } from '../token-request.ts'
import { inert } from './inert.ts'

type Authorizations = NonNullable<AdapterPayload['authorizations']>

/** The members of the engine's session that its types leave out. */
interface EngineSession {
  /** The handle before `resetIdentifier()`. */
  oldId?: string
  /** If set, the engine does not write the session again in this request. */
  destroyed?: boolean
}

/**
 * SSO sessions: a row under a stable uid, and a row per client. The engine calls `destroy` both to change a handle and
 * to sign out; here a changed handle is one conditional update. An ended session stays ended, whatever a request in
 * flight still writes. A session without an account is not stored.
 */
export function sessionAdapter(context: IssuerContext): Adapter {
  const { tenant, sessions, clock, log } = context
  /** Which clients a session had when it was loaded; the engine hands the same object back. */
  const loaded = new WeakMap<Authorizations, string[]>()

  function toPayload(session: Session, jti?: string): AdapterPayload {
    const authorizations: Authorizations = Object.create(null)
    for (const [clientId, { sid, grantId, persistsLogout }] of Object.entries(session.clients)) {
      authorizations[clientId] = {
        ...present({ sid, grantId }),
        ...(persistsLogout ? { persistsLogout } : {}),
      }
    }
    loaded.set(authorizations, Object.keys(authorizations))
    const { accountId, loginAt, acr, amr, state } = session
    return {
      kind: 'Session',
      uid: session.uid,
      ...present({ jti, accountId, loginTs: loginAt, acr, amr, state }),
      ...(session.transient ? { transient: true } : {}),
      authorizations,
      iat: session.createdAt,
      exp: session.expiresAt,
    }
  }

  function fromPayload(payload: AdapterPayload, expiresIn: number): Session {
    const uid = payload.uid as string
    return {
      uid,
      accountId: payload.accountId,
      loginAt: payload.loginTs,
      acr: payload.acr,
      amr: payload.amr,
      transient: payload.transient === true,
      state: payload.state,
      clients: Object.fromEntries(
        Object.entries(payload.authorizations ?? {})
          // Our own pages are not stored as a client of the session.
          .filter(([clientId]) => clientId !== accountClientId)
          .map(([clientId, got]) => [
            clientId,
            {
              sid: got.sid ?? sidOf(uid, clientId),
              grantId: got.grantId,
              persistsLogout: got.persistsLogout === true,
            },
          ]),
      ),
      createdAt: payload.iat ?? clock.seconds(),
      expiresAt: clock.seconds() + expiresIn,
    }
  }

  /** The locked session of the code or request being redeemed, with the members that the engine reads there. */
  function heldSession(uid: string): AdapterPayload | undefined {
    const session = currentTokenRequest()?.held?.session
    const clientId = Provider.ctx?.oidc.client?.clientId
    if (session?.uid !== uid || clientId === undefined) return undefined
    const { accountId, grantId, expiresAt } = session
    return {
      kind: 'Session',
      uid,
      ...present({ accountId }),
      authorizations: { [clientId]: present({ grantId }) },
      iat: clock.seconds(),
      exp: Math.floor(expiresAt / 1000),
    }
  }

  const engineSession = () => Provider.ctx?.oidc?.session as EngineSession | undefined

  return {
    ...inert,
    async find(id) {
      const clientId = namedClient()
      if (clientId === undefined) {
        const session = await sessions.byHandle(tenant, hashOf(id))
        if (session?.state) await forgetRemovedAddress(session.state)
        return session && toPayload(session, id)
      }
      const opened = await sessions.opened(tenant, hashOf(id), clientId)
      if (!opened) return undefined
      const { session, account, grant } = opened
      if (account) rememberPerson({ account, clientId, grant })
      return toPayload(session, id)
    },
    async findByUid(uid) {
      const held = heldSession(uid)
      if (held) return held
      const session = await sessions.byUid(tenant, uid)
      return session && toPayload(session)
    },
    async upsert(id, payload, expiresIn = 0) {
      // Storing it would leave a row for each anonymous request, by a log-out or a stale cookie (security class C25).
      if (payload.accountId === undefined) return withholdCookie(id)
      const session = fromPayload(payload, expiresIn)
      const { authorizations } = payload
      const before = (authorizations && loaded.get(authorizations)) ?? []
      const dropped = before.filter((clientId) => !Object.hasOwn(session.clients, clientId))
      const { oldId } = engineSession() ?? {}
      const known = oldId === undefined ? [] : [hashOf(oldId)]
      const login = Provider.ctx?.oidc?.result?.login as { verifiedAt?: number } | undefined
      const outcome = await sessions.save(
        tenant,
        session,
        hashOf(id),
        known,
        dropped,
        login?.verifiedAt,
        Provider.ctx && presenterOf(Provider.ctx),
      )
      if (outcome === 'saved') return
      log.info({ outcome, session: session.uid }, 'session was changed by another request')
      // A sign-in must not end in a session whose handle another party may have (security class C6).
      if (outcome === 'ended' || Provider.ctx?.oidc.result?.login) {
        const inFlight = engineSession()
        if (inFlight) inFlight.destroyed = true
        throw new errors.LoginRequired(`session ${outcome} meanwhile`)
      }
      withholdCookie(id)
    },
    async destroy(id) {
      if (engineSession()?.oldId === id) return
      const session = await sessions.byHandle(tenant, hashOf(id))
      if (session) await signOut(context, session)
    },
  }
}

/**
 * Repeats the check of the log-out address at confirmation, as the engine checks it only at the start: a change of the
 * client applies at once. If the address is no longer the client's, the log-out ends here.
 */
async function forgetRemovedAddress(state: Record<string, unknown>): Promise<void> {
  const oidc = Provider.ctx?.oidc
  const { clientId, postLogoutRedirectUri: uri } = state
  if (oidc?.route !== 'end_session_confirm') return
  // An authorization that first signs out another user continues at an address of this server.
  if (typeof uri !== 'string' || uri.startsWith(`${oidc.issuer}/`)) return
  const client = await oidc.provider.Client.find(String(clientId))
  if (!client?.postLogoutRedirectUriAllowed(uri)) delete state['postLogoutRedirectUri']
}

/** The new handle was not stored: the browser keeps its cookie, which another request may have set. */
function withholdCookie(handle: string): void {
  const { ctx } = Provider
  const cookies = ctx?.res.getHeader('set-cookie')
  if (!ctx || !Array.isArray(cookies)) return
  const session = cookies.find((cookie) => cookie.includes(`=${handle};`))
  const name = session?.slice(0, session.indexOf('='))
  ctx.res.setHeader(
    'set-cookie',
    cookies.filter(
      (cookie) => !cookie.startsWith(`${name}=`) && !cookie.startsWith(`${name}.sig=`),
    ),
  )
}
