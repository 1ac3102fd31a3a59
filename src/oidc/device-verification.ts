import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import { checkedMetadata } from '../clients/client.ts'
import { newHandle } from '../secrets/handle.ts'
import { deviceReference } from './adapters/device-code.ts'
import type { IssuerContext } from './capabilities.ts'
import { createDeviceCodes } from './device-codes.ts'
import { roomForInteraction } from './growth.ts'
import { routes } from './routes.ts'

/** A device that waits for its person. */
export interface WaitingDevice {
  /** Names the code, without being it. */
  id: string
  clientId: string
  clientName: string
}

/** What a person can do with a code that a device shows (RFC 8628 §3.3). */
export interface DeviceVerification {
  /**
   * @param userCode as `userCodeIn` gives it
   * @param network whose limit is charged if the metadata document of the client has to be fetched
   * @throws DomainError `client_document_invalid`, `client_document_unavailable`, `too_many_requests`
   */
  find(userCode: string, network: string): Promise<WaitingDevice | undefined>
  /** @returns false when it was decided concurrently */
  deny(id: string): Promise<boolean>
  /**
   * Starts signing in and consent.
   * @returns the path where the engine continues; undefined if the code is no longer pending
   * @throws DomainError `too_many_requests`
   */
  begin(ctx: Context, id: string): Promise<string | undefined>
}

export function createDeviceVerification(
  provider: Provider,
  context: IssuerContext,
  { basePath, cookie }: { basePath: string; cookie: { name: string; secure: boolean } },
): DeviceVerification {
  const { tenant, clientDocuments, config, issuer, limiter } = context
  const codes = createDeviceCodes(context)

  return {
    async find(userCode, network) {
      const waiting = await codes.waitingFor(userCode)
      if (!waiting) return undefined
      const clientId = waiting.payload.clientId as string
      if (!(await clientDocuments.settle(tenant, clientId, { network }))) return undefined
      const client = await clientDocuments.find(tenant, clientId)
      const metadata = client && checkedMetadata(client).data
      return (
        metadata && { id: waiting.hash, clientId, clientName: metadata.client_name ?? clientId }
      )
    },

    async deny(id) {
      const payload = await codes.find(id)
      return payload ? codes.decide(id, { ...payload, error: 'access_denied' }) : false
    },

    // Stores an interaction that counts as answered: resuming it, the engine finds what is still to be done.
    async begin(ctx, id) {
      const payload = await codes.find(id)
      if (!payload) return undefined
      const uid = newHandle()
      const path = `${basePath}${routes.code_verification}/${uid}`
      const members = {
        returnTo: `${new URL(issuer).origin}${path}`,
        prompt: { name: 'device', reasons: [], details: {} },
        params: payload.params,
        deviceCode: deviceReference(id),
        cid: newHandle(),
      }
      // Limited: a code stays pending until it is decided, and its page can be sent again and again.
      await limiter.take(tenant, roomForInteraction(ctx.ip, members))
      const Interaction = provider.Interaction as unknown as new (
        uid: string,
        members: object,
      ) => InstanceType<Provider['Interaction']>
      await new Interaction(uid, members).save(config.interactionTtl)
      const { name, secure } = cookie
      ctx.cookies.set(name, uid, { path, secure, httpOnly: true, sameSite: 'lax', signed: true })
      return path
    },
  }
}
