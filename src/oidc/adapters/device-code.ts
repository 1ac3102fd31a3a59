import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { familyStartedBy } from '../../families/family.ts'
import { hashOf } from '../../secrets/handle.ts'
import { denialsNaming, traceClaims } from '../access-token.ts'
import type { IssuerContext } from '../capabilities.ts'
import { createDeviceCodes, type DeviceCodePayload } from '../device-codes.ts'
import { recordDecision } from '../device-decision.ts'
import { isPolledHandle } from '../polling.ts'
import { invalidGrant, requiredTokenRequest } from '../token-request.ts'
import { byHash, hashIn } from './short-lived.ts'

/** Names a code where its handle is not known, in the steps of its person; nobody can present it at the token endpoint. */
export const deviceReference = (hash: string) => byHash + hash

/**
 * Device codes. At the token endpoint, in this order:
 *
 * | the code                                            | answer                  | besides                      |
 * |-----------------------------------------------------|-------------------------|------------------------------|
 * | is none of ours, or another client's                | `invalid_grant`         |                              |
 * | is over, or vanished                                | `expired_token`         |                              |
 * | was denied                                          | `access_denied`         |                              |
 * | waits for its person                                | `authorization_pending` | or `slow_down`               |
 * | was used                                            | `invalid_grant`         | what it issued ends          |
 * | hangs from what has ended                           | `expired_token`         |                              |
 * | was allowed                                         | tokens                  | its claim is committed with them |
 */
export function deviceCodeAdapter(context: IssuerContext): Adapter {
  const {
    tenant,
    accounts,
    families,
    grants,
    sessions,
    singleUse,
    sealer,
    denials,
    config,
    clock,
  } = context
  const codes = createDeviceCodes(context)

  function endWhatItIssued(hash: string): void {
    const { unit } = requiredTokenRequest()
    unit.onRefusal(() => families.end(tenant, familyStartedBy(hash), 'code_reuse'))
  }

  /** Whether what allowed it still stands; it stays so until the transaction ends, and who ends it waits. */
  async function stillHolds(code: DeviceCodePayload, decidedAt: number): Promise<boolean> {
    const extra = { ...traceClaims(tenant, code, undefined) }
    const decided = Math.floor(decidedAt / 1000)
    if (denials.anyDenies(tenant, denialsNaming({ ...code, extra }), decided)) return false
    if (!(await accounts.holdSignIn(tenant, code.accountId as string, decidedAt))) return false
    // With offline_access it outlives the session in which it was allowed.
    const isBound = code.expiresWithSession === true
    if (isBound && !(await sessions.hold(tenant, code.sessionUid as string))) return false
    return (await grants.hold(tenant, code.grantId as string)) !== undefined
  }

  async function present(id: string): Promise<AdapterPayload | undefined> {
    const request = requiredTokenRequest()
    const hash = hashOf(id)
    request.familyId = familyStartedBy(hash)
    if (!isPolledHandle('DeviceCode', sealer, id)) return undefined
    const found = await codes.find(hash)
    if (!found) throw new errors.ExpiredToken('the device code is gone')
    const code = { ...found, jti: id }
    if (code.clientId !== Provider.ctx?.oidc.client?.clientId) return code
    if (code.error) throw new errors.AccessDenied('the person denied it')
    if (!code.accountId || code.decidedAt === undefined) {
      if ((code.exp ?? 0) <= clock.seconds()) return code
      if (await codes.poll(hash, code)) throw new errors.SlowDown()
      throw new errors.AuthorizationPending()
    }
    request.allowedAt = Math.floor(code.decidedAt / 1000)
    await request.unit.open()
    const spent = await singleUse.spentAt({ tenant, kind: 'DeviceCode', key: hash })
    if (spent !== undefined) {
      endWhatItIssued(hash)
      return { ...code, consumed: Math.floor(spent / 1000) }
    }
    if (await stillHolds(code, code.decidedAt)) return code
    throw new errors.ExpiredToken('what allowed the device code has ended')
  }

  return {
    async find(id) {
      if (Provider.ctx?.oidc.route === 'token') return present(id)
      const code = id.startsWith(byHash) ? await codes.find(hashIn(id)) : undefined
      return code && { ...code, jti: id }
    },
    async upsert(id, payload) {
      if (id.startsWith(byHash)) recordDecision(hashIn(id), payload)
      else await codes.create(id, payload)
    },
    async consume(id) {
      const hash = hashOf(id)
      const until = clock.now() + (config.deviceCodeTtl + 60) * 1000
      if (await singleUse.spend({ tenant, kind: 'DeviceCode', key: hash }, until)) return
      endWhatItIssued(hash)
      throw invalidGrant('device code already used, at the same moment')
    },
    // Our own pages look for it (device-verification.ts).
    findByUserCode: async () => undefined,
    findByUid: async () => undefined,
    destroy: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}
