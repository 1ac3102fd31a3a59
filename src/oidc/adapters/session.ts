import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { hashOf } from '../../secrets/handle.ts'
import { type Session, sidOf } from '../../sessions/session.ts'
import { accountClientId } from '../account-client.ts'
import { namedClient, rememberPerson } from '../authorization-request.ts'
import type { IssuerContext } from '../capabilities.ts'
import { presenterOf } from '../token-request.ts'

type Authorizations = NonNullable<AdapterPayload['authorizations']>

/** The members of the engine's session that its types leave out. */
interface EngineSession {
  /** The handle before `resetIdentifier()`. */
  oldId?: string
  /** Set, it keeps the engine from writing the session once more in the same request. */
  destroyed?: boolean
}

/**
 * SSO sessions. The engine writes a session as one document and calls `destroy` both to change a handle and to sign
 * out; here a session is a row under its stable uid with a row per client, a changed handle is one conditional
 * update, and an ended session stays ended whatever a request in flight still writes.
 */
export function sessionAdapter(context: IssuerContext): Adapter {
  const { tenant, sessions, clock, log } = context
  /** Which clients a session had when it was loaded; the engine hands the same object back. */
  const loaded = new WeakMap<Authorizations, string[]>()

  function toPayload(session: Session, jti?: string): AdapterPayload {
    const authorizations: Authorizations = Object.create(null)
    for (const [clientId, { sid, grantId, persistsLogout }] of Object.entries(session.clients)) {
      authorizations[clientId] = {
        sid,
        ...(grantId === undefined ? {} : { grantId }),
        ...(persistsLogout ? { persistsLogout } : {}),
      }
    }
    loaded.set(authorizations, Object.keys(authorizations))
    return {
      kind: 'Session',
      uid: session.uid,
      ...(jti === undefined ? {} : { jti }),
      ...(session.accountId === undefined ? {} : { accountId: session.accountId }),
      ...(session.loginAt === undefined ? {} : { loginTs: session.loginAt }),
      ...(session.acr === undefined ? {} : { acr: session.acr }),
      ...(session.amr === undefined ? {} : { amr: session.amr }),
      ...(session.transient ? { transient: true } : {}),
      ...(session.state === undefined ? {} : { state: session.state }),
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
          // Our own pages are no party to the session, and no client in storage.
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

  const engineSession = () => Provider.ctx?.oidc?.session as EngineSession | undefined

  return {
    async find(id) {
      const clientId = namedClient()
      if (clientId === undefined) {
        const session = await sessions.byHandle(tenant, hashOf(id))
        return session && toPayload(session, id)
      }
      const opened = await sessions.opened(tenant, hashOf(id), clientId)
      if (!opened) return undefined
      const { session, account, grant } = opened
      if (account) rememberPerson({ account, clientId, grant })
      return toPayload(session, id)
    },
    async findByUid(uid) {
      const session = await sessions.byUid(tenant, uid)
      return session && toPayload(session)
    },
    async upsert(id, payload, expiresIn = 0) {
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
      // A sign-in must not end in a session whose handle somebody else may hold (security class C6).
      if (outcome === 'ended' || Provider.ctx?.oidc.result?.login) {
        const inFlight = engineSession()
        if (inFlight) inFlight.destroyed = true
        throw new errors.LoginRequired(`session ${outcome} meanwhile`)
      }
      keepNewerCookie(id)
    },
    async destroy(id) {
      if (engineSession()?.oldId === id) return
      const session = await sessions.byHandle(tenant, hashOf(id))
      if (!session) return
      await context.database.transaction(async () => {
        const ended = await sessions.end(tenant, session.uid, 'signed_out')
        if (!ended || session.accountId === undefined) return
        const detail = { session: session.uid }
        const { accountId } = session
        await context.audit.record(tenant, { type: 'session.signed_out', accountId, detail })
      })
    },
    consume: async () => undefined,
    findByUserCode: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}

/** The browser has the handle that another request set; this one was not stored and must not replace it. */
function keepNewerCookie(handle: string): void {
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
