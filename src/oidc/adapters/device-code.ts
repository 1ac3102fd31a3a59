import Provider, { type Adapter, type AdapterPayload, errors } from 'oidc-provider'
import { familyStartedBy } from '../../families/family.ts'
import { hashOf } from '../../secrets/handle.ts'
import type { IssuerContext } from '../capabilities.ts'
import { createDeviceCodes } from '../device-codes.ts'
import { recordDecision } from '../device-decision.ts'
import { isPolledHandle } from '../polling.ts'
import { createRedemption } from '../redemption.ts'
import { requiredTokenRequest } from '../token-request.ts'
import { inert } from './inert.ts'
import { byHash, hashIn } from './short-lived.ts'

/** Identifies a code in the user's steps, where its handle is unknown; it cannot be presented at the token endpoint. */
export const deviceReference = (hash: string) => byHash + hash

/**
 * Device codes. At the token endpoint, in this order:
 *
 * | the code                                            | answer                  | side effect                  |
 * |-----------------------------------------------------|-------------------------|------------------------------|
 * | is unknown, or another client's                     | `invalid_grant`         |                              |
 * | has expired, or vanished                            | `expired_token`         |                              |
 * | was denied                                          | `access_denied`         |                              |
 * | is not decided yet                                  | `authorization_pending` | or `slow_down`               |
 * | was used                                            | `invalid_grant`         | what it issued ends          |
 * | depends on something that has ended                 | `expired_token`         |                              |
 * | was allowed                                         | tokens                  | its claim is committed with them |
 */
export function deviceCodeAdapter(context: IssuerContext): Adapter {
  const { sealer, config, clock } = context
  const codes = createDeviceCodes(context)
  const redemption = createRedemption('DeviceCode', context, config.deviceCodeTtl)

  async function present(id: string): Promise<AdapterPayload | undefined> {
    const request = requiredTokenRequest()
    const hash = hashOf(id)
    request.familyId = familyStartedBy(hash)
    if (!isPolledHandle('DeviceCode', sealer, id)) return undefined
    const found = await codes.find(hash)
    if (!found) throw new errors.ExpiredToken('the device code has expired or is unknown')
    const code = { ...found, jti: id }
    if (code.clientId !== Provider.ctx?.oidc.client?.clientId) return code
    if (code.error) throw new errors.AccessDenied('the user denied the request')
    if (!code.accountId || code.decidedAt === undefined) {
      if ((code.exp ?? 0) <= clock.seconds()) return code
      if (await codes.poll(hash, code)) throw new errors.SlowDown()
      throw new errors.AuthorizationPending()
    }
    request.allowedAt = Math.floor(code.decidedAt / 1000)
    const held = await redemption.hold(id, code, code.decidedAt)
    if (held.spentAt !== undefined) {
      redemption.endWhatItIssued(id)
      return { ...code, consumed: Math.floor(held.spentAt / 1000) }
    }
    const isDenied = redemption.isDenied(code, request.allowedAt)
    if (held.stands && held.grant && !isDenied) return code
    throw new errors.ExpiredToken(
      'the sign-in or consent behind the device code has ended; start again',
    )
  }

  return {
    // No `findByUserCode`: our own pages look codes up (device-verification.ts).
    ...inert,
    async find(id) {
      if (Provider.ctx?.oidc.route === 'token') return present(id)
      const code = id.startsWith(byHash) ? await codes.find(hashIn(id)) : undefined
      return code && { ...code, jti: id }
    },
    async upsert(id, payload) {
      if (id.startsWith(byHash)) recordDecision(hashIn(id), payload)
      else await codes.create(id, payload)
    },
    consume: async () => redemption.consume(),
  }
}
