import { type AdapterPayload, errors } from 'oidc-provider'
import { equalInConstantTime, hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { clockTolerance } from './lifetimes.ts'
import { createPolling } from './polling.ts'

/** A stored device code: the engine's payload, and when the person decided, in milliseconds since the epoch. */
export type DeviceCodePayload = AdapterPayload & { decidedAt?: number }

/**
 * Device codes (RFC 8628). What was requested and decided is short-lived and may vanish: then the device starts over.
 * What must count only once is in Postgres, each a claim whose primary key decides which was first:
 *
 * | claim            | made when                            | so that                                          |
 * |------------------|--------------------------------------|--------------------------------------------------|
 * | `UserCode`       | a code is issued                     | no two devices show the same                     |
 * | `DeviceDecision` | a user allows or denies              | the first decision is final, whatever Redis restores |
 * | `DeviceCode`     | the device gets its tokens, with them | it gets them once                               |
 *
 * Stored are the SHA-256 of the device code and an HMAC of the user code. The user code is also sealed, as the user is
 * shown it again.
 */
export interface DeviceCodes {
  /** Keeps a new code. @throws errors.TemporarilyUnavailable when its user code is in use */
  create(handle: string, payload: AdapterPayload): Promise<void>
  /** @param hash of the device code */
  find(hash: string): Promise<DeviceCodePayload | undefined>
  /** One that waits for its person. @returns the hash of the device code */
  waitingFor(userCode: string): Promise<{ hash: string; payload: DeviceCodePayload } | undefined>
  /**
   * Stores the user's decision: `accountId` and what comes with it, or `error`.
   * @returns false when another decision came first, or the user was signed out concurrently
   */
  decide(hash: string, payload: AdapterPayload): Promise<boolean>
  /** Counts that the device asked while nobody has decided. @returns whether it asked too soon */
  poll(hash: string, payload: DeviceCodePayload): Promise<boolean>
}

export function createDeviceCodes(context: IssuerContext): DeviceCodes {
  const { tenant, shortLived, singleUse, sealer, clock, database, accounts, sessions, log } =
    context
  const key = (hash: string) => ({ tenant, model: 'DeviceCode', id: hash })
  const pollTooSoon = createPolling('DeviceCode', context)
  const userCodeKey = (mac: string) => ({ tenant, model: 'DeviceCode.user_code', id: mac })
  const sealedFor = (hash: string) => `user-code:${tenant}:${hash}`
  const macOfUserCode = (userCode: string) => sealer.mac('user-code', userCode)

  const lastMoment = ({ exp = 0 }: AdapterPayload) => exp + clockTolerance
  const ttl = (payload: AdapterPayload) => Math.max(1, lastMoment(payload) - clock.seconds())
  const isOver = ({ exp = 0 }: AdapterPayload) => exp <= clock.seconds()

  async function put(hash: string, payload: DeviceCodePayload): Promise<void> {
    const { jti: _jti, consumed: _consumed, inFlight: _inFlight, userCode = '', ...rest } = payload
    const stored = { ...rest, userCode: sealer.artifacts.seal(sealedFor(hash), userCode) }
    await shortLived.put(key(hash), stored, ttl(payload))
  }

  async function find(hash: string): Promise<DeviceCodePayload | undefined> {
    const stored = (await shortLived.get(key(hash))) as DeviceCodePayload | undefined
    return (
      stored && {
        ...stored,
        userCode: sealer.artifacts.open(sealedFor(hash), stored.userCode as string),
      }
    )
  }

  function claim(kind: string, subject: string, payload: AdapterPayload): Promise<boolean> {
    return singleUse.spend({ tenant, kind, key: subject }, lastMoment(payload) * 1000)
  }

  return {
    find,

    async create(handle, payload) {
      const hash = hashOf(handle)
      const mac = macOfUserCode(payload.userCode as string)
      if (!(await claim('UserCode', mac, payload))) {
        throw new errors.TemporarilyUnavailable('try again', 'the user code is in use')
      }
      await put(hash, payload)
      await shortLived.put(userCodeKey(mac), hash, ttl(payload))
    },

    async waitingFor(userCode) {
      const hash = (await shortLived.get(userCodeKey(macOfUserCode(userCode)))) as
        | string
        | undefined
      const payload = hash === undefined ? undefined : await find(hash)
      if (hash === undefined || !payload || isOver(payload)) return undefined
      const isDecided = payload.accountId !== undefined || payload.error !== undefined
      if (isDecided || !equalInConstantTime(payload.userCode as string, userCode)) return undefined
      return { hash, payload }
    },

    async decide(hash, payload) {
      const { accountId, sessionUid, clientId } = payload
      const decidedAt = clock.now()
      const first = await database.transaction(async () => {
        if (accountId !== undefined) {
          // In the order in which revocations lock; a later revocation finds the session.
          if (!(await accounts.holdSignIn(tenant, accountId, decidedAt))) return false
          if (!(await sessions.hold(tenant, sessionUid as string))) return false
        }
        return claim('DeviceDecision', hash, payload)
      })
      if (!first) return false
      await put(hash, { ...payload, decidedAt })
      const allowed = accountId !== undefined
      log.info({ tenant, client_id: clientId, account: accountId, allowed }, 'device decided')
      return true
    },

    poll: (hash, payload) => pollTooSoon(hash, ttl(payload)),
  }
}
