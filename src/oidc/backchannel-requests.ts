import type { AdapterPayload } from 'oidc-provider'
import type { BackchannelRequest } from '../backchannel/requests.ts'
import type { Presenter } from '../families/replay.ts'
import { hashOf, newHandle } from '../secrets/handle.ts'
import { denialsNaming } from './access-token.ts'
import { denied } from './backchannel-endpoint.ts'
import type { IssuerContext } from './capabilities.ts'
import type { Consent } from './consent.ts'
import { clockTolerance } from './lifetimes.ts'
import { createPolling } from './polling.ts'

/** A backchannel authentication request (OpenID CIBA Core §7.1), as it is stored. */
export type AskedPayload = AdapterPayload & {
  accountId: string
  clientId: string
  iat: number
  exp: number
  /** What the person allows by allowing the request. */
  wanted: Consent
  /** Who sent it. */
  askedFrom: Presenter
  /** How a client in ping mode is notified. */
  notify?: { token: string; authReqId: string }
}

/** A decided request: with the members by which the engine issues tokens, or with `error`. */
export type DecidedPayload = AskedPayload & { allowedFrom?: Presenter }

/** The state of a request. */
export type RequestState =
  | { state: 'waiting'; asked: AskedPayload; row: BackchannelRequest }
  | { state: 'decided'; decided: DecidedPayload; decidedAt: number; createdAt: number }
  /** Expired, undecided when its account was signed out, or lost with Redis. */
  | { state: 'over' }

/**
 * Backchannel authentication requests. What was requested and decided is short-lived, sealed, and may vanish; then the
 * client starts over. Postgres records that a request is pending, for which account, which decision came first, and
 * that it was used: a Redis restored from a backup makes no request pending, or allowed, again.
 */
export interface StoredRequests {
  /** @throws `access_denied` when too many wait for this person */
  create(handle: string, payload: AskedPayload): Promise<void>
  /** @param hash of the `auth_req_id` */
  find(hash: string): Promise<RequestState>
  /** The pending requests of an account, the oldest first. */
  waiting(accountId: string): Promise<Array<{ hash: string; asked: AskedPayload }>>
  /**
   * Stores the user's decision, and notifies the client.
   * @returns false if the request is over: decided, expired, or the user was signed out concurrently
   */
  decide(hash: string, decided: DecidedPayload): Promise<boolean>
  /** Counts that the client asked while nobody has decided. @returns whether it asked too soon */
  poll(hash: string, asked: AskedPayload): Promise<boolean>
}

export function createStoredRequests(context: IssuerContext): StoredRequests {
  const { tenant, shortLived, sealer, clock, database, log } = context
  const { accounts, sessions, audit, counters, denials, backchannelRequests, pings } = context
  const pollTooSoon = createPolling('BackchannelAuthenticationRequest', context)
  const key = (id: string) => ({ tenant, model: 'BackchannelAuthenticationRequest', id })
  const purpose = (id: string) => `backchannel-request:${tenant}:${id}`
  const ttl = ({ exp }: AskedPayload) => Math.max(1, exp + clockTolerance - clock.seconds())

  async function put(id: string, payload: AskedPayload): Promise<void> {
    const sealed = sealer.artifacts.seal(purpose(id), JSON.stringify(payload))
    await shortLived.put(key(id), sealed, ttl(payload))
  }

  async function get<Payload>(id: string): Promise<Payload | undefined> {
    const sealed = (await shortLived.get(key(id))) as string | undefined
    return sealed === undefined
      ? undefined
      : (JSON.parse(sealer.artifacts.open(purpose(id), sealed)) as Payload)
  }

  const decisionOf = (hash: string, decision: string) => `${hash}.${decision}`

  /** Whether the client was disabled since: once it is enabled again, it has to start over. */
  const isDenied = ({ clientId, createdAt }: BackchannelRequest) =>
    denials.anyDenies(tenant, denialsNaming({ clientId }), Math.floor(createdAt / 1000))

  async function find(hash: string): Promise<RequestState> {
    const row = await backchannelRequests.find(tenant, hash)
    if (!row?.stands || isDenied(row)) return { state: 'over' }
    const { decidedAt, decision, createdAt } = row
    if (decidedAt === undefined || decision === undefined) {
      const asked = await get<AskedPayload>(hash)
      return asked ? { state: 'waiting', asked, row } : { state: 'over' }
    }
    const decided = await get<DecidedPayload>(decisionOf(hash, decision))
    return decided ? { state: 'decided', decided, decidedAt, createdAt } : { state: 'over' }
  }

  return {
    find,

    async create(handle, payload) {
      const hash = hashOf(handle)
      const { accountId, clientId, exp, askedFrom } = payload
      await put(hash, payload)
      const kept = await database.transaction(async () => {
        const request = { tenant, id: hash, accountId, clientId, createdAt: clock.now() }
        if (!(await backchannelRequests.add({ ...request, expiresAt: exp * 1000 }))) return false
        const { ip, userAgent } = askedFrom
        await audit.record(tenant, {
          type: 'backchannel.asked',
          accountId,
          clientId,
          ip,
          userAgent,
        })
        return true
      })
      counters.count(kept ? 'backchannel_asked' : 'backchannel_refused')
      if (kept) return
      await shortLived.delete(key(hash))
      throw denied('too many requests are pending for this user')
    },

    async waiting(accountId) {
      const rows = await backchannelRequests.waiting(tenant, accountId)
      const found = rows.map(async (row) => {
        const asked = row.stands && !isDenied(row) ? await get<AskedPayload>(row.id) : undefined
        return asked ? [{ hash: row.id, asked }] : []
      })
      return (await Promise.all(found)).flat()
    },

    async decide(hash, decided) {
      const { accountId, clientId, sessionUid, exp, notify, allowedFrom } = decided
      const row = await backchannelRequests.find(tenant, hash)
      if (!row || isDenied(row)) return false
      const decision = newHandle()
      // Stored before anything is locked; it counts once the row names it.
      await put(decisionOf(hash, decision), decided)
      const allowed = decided.error === undefined
      const first = await database.transaction(async () => {
        // In the order in which revocations lock. A sign-out since the request came ends it, too.
        if (!(await accounts.holdSignIn(tenant, accountId, row.createdAt))) return false
        if (allowed && !(await sessions.hold(tenant, sessionUid as string))) return false
        if (!(await backchannelRequests.decide(tenant, hash, decision))) return false
        if (notify) {
          const { token: notificationToken, authReqId } = notify
          const about = { clientId, accountId, expiresAt: exp * 1000 }
          await pings.tell(tenant, { ...about, notificationToken, authReqId })
        }
        await audit.record(tenant, {
          type: allowed ? 'backchannel.allowed' : 'backchannel.denied',
          accountId,
          clientId,
          ip: allowedFrom?.ip,
          userAgent: allowedFrom?.userAgent,
        })
        return true
      })
      if (!first) return false
      counters.count(allowed ? 'backchannel_allowed' : 'backchannel_denied')
      log.info(
        { tenant, client_id: clientId, account: accountId, allowed },
        'backchannel request decided',
      )
      return true
    },

    poll: (hash, asked) => pollTooSoon(hash, ttl(asked)),
  }
}
