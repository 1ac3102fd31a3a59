import { z } from 'zod'
import type { Audit } from '../audit/audit.ts'
import type { Clients } from '../clients/clients.ts'
import { type Attempt, answeredWith, type Message } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Platform } from '../platform.ts'

/** Notifies clients of a decision (OpenID CIBA Core 1.0 §10.2); they then request the result. */
export interface Pings {
  /**
   * Queues a ping, if the client wants one. Joins the transaction of the decision.
   * @throws nothing: a deleted client is skipped
   */
  tell(tenant: string, ping: Ping): Promise<void>
}

export interface Ping {
  clientId: string
  accountId: string
  /** The client's notification token for this request; always stored sealed. */
  notificationToken: string
  authReqId: string
  /** Milliseconds since the epoch; expired requests are not notified. */
  expiresAt: number
}

/** What is stored of a ping until it is delivered. */
const pendingPing = z.object({
  client_id: z.string(),
  account_id: z.string(),
  expires_at: z.number(),
  /** The two secrets, sealed for this request. */
  sealed: z.string(),
})
type PendingPing = z.infer<typeof pendingPing>

const secrets = z.object({ token: z.string(), auth_req_id: z.string() })

const kind = 'backchannel_ping'

/** Statuses that are final: the client does not know the token or the request. */
const refusals: readonly number[] = [400, 401, 403]

export function createPings({
  clock,
  sealer,
  outbox,
  clients,
  audit,
  fetch,
}: Pick<Platform, 'clock' | 'sealer' | 'fetch'> & {
  outbox: Outbox
  clients: Clients
  audit: Audit
}): Pings {
  const purpose = (tenant: string, clientId: string) => `backchannel-ping:${tenant}:${clientId}`

  async function endpointOf(tenant: string, clientId: string): Promise<string | undefined> {
    const client = await clients.metadata(tenant, clientId)
    const wantsPings = client?.backchannel_token_delivery_mode === 'ping'
    return wantsPings ? client.backchannel_client_notification_endpoint : undefined
  }

  async function deliver({ tenant, payload }: Message): Promise<Attempt> {
    const ping = pendingPing.parse(payload)
    const { client_id: clientId } = ping
    const timeLeft = ping.expires_at - clock.now()
    if (timeLeft <= 0) return { final: true, reason: 'the request has expired' }
    const endpoint = await endpointOf(tenant, clientId)
    if (endpoint === undefined) {
      return {
        final: true,
        reason: 'the client is deleted or disabled, or no longer uses pings',
      }
    }
    const opened = sealer.artifacts.open(purpose(tenant, clientId), ping.sealed)
    const { token, auth_req_id } = secrets.parse(JSON.parse(opened))
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ auth_req_id }),
      signal: AbortSignal.timeout(timeLeft),
    })
    return answeredWith(response, ...refusals)
  }

  outbox.deliverWith(kind, {
    deliver,
    async settled({ tenant, payload }, { attempts, failed }) {
      const { client_id: clientId, account_id: accountId } = pendingPing.parse(payload)
      const type = failed === undefined ? 'backchannel.notified' : 'backchannel.notify_failed'
      await audit.record(tenant, {
        type,
        clientId,
        accountId,
        detail: { attempts, reason: failed },
      })
    },
  })

  return {
    async tell(tenant, { clientId, accountId, notificationToken, authReqId, expiresAt }) {
      const endpoint = await endpointOf(tenant, clientId)
      if (endpoint === undefined) return
      const plain = JSON.stringify({ token: notificationToken, auth_req_id: authReqId })
      const payload: PendingPing = {
        client_id: clientId,
        account_id: accountId,
        expires_at: expiresAt,
        sealed: sealer.artifacts.seal(purpose(tenant, clientId), plain),
      }
      await outbox.add(tenant, kind, [{ destination: new URL(endpoint).host, payload }])
    },
  }
}
