import type { Audit } from '../audit/audit.ts'
import type { ClientMetadata } from '../clients/client.ts'
import type { Clients } from '../clients/clients.ts'
import type { Subjects } from '../clients/subjects.ts'
import type { Attempt, Message, MessageState, MessageView } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { issuerOf } from '../tenants/tenant.ts'
import {
  distinct,
  type EndedPart,
  logoutClaims,
  logoutTokenType,
  type PendingLogout,
  pendingLogout,
} from './logout.ts'

/** Notifies clients that a session has ended (OpenID Connect Back-Channel Logout 1.0, P-070). */
export interface Logouts {
  /**
   * Queues logouts for those clients that registered a `backchannel_logout_uri`. Joins the transaction that ends their
   * sessions; the logout token is signed when it is sent.
   * @param everywhere whether everything of the account ended, not one session
   */
  tell(tenant: string, parts: EndedPart[], everywhere: boolean): Promise<void>
  /** Deliveries of all states, newest first. */
  list(tenant: string, filter: LogoutFilter): Promise<LogoutView[]>
}

export interface LogoutFilter {
  accountId?: string | undefined
  clientId?: string | undefined
  state?: MessageState | undefined
}

export type LogoutView = Omit<MessageView, 'payload'> & {
  clientId: string
  accountId: string
  sid?: string | undefined
}

const kind = 'backchannel_logout'

export function createLogouts({
  config,
  clock,
  outbox,
  clients,
  subjects,
  signing,
  audit,
  fetch,
}: Pick<Platform, 'config' | 'clock' | 'fetch'> & {
  outbox: Outbox
  clients: Clients
  subjects: Subjects
  signing: SigningKeys
  audit: Audit
}): Logouts {
  type Receiver = ClientMetadata & { backchannel_logout_uri: string }

  /** An enabled client with a back-channel log-out address. */
  async function receiver(tenant: string, clientId: string): Promise<Receiver | undefined> {
    const client = await clients.metadata(tenant, clientId)
    return client?.backchannel_logout_uri === undefined ? undefined : (client as Receiver)
  }

  async function deliver({ tenant, id, payload }: Message): Promise<Attempt> {
    const pending = pendingLogout.parse(payload)
    const client = await receiver(tenant, pending.client_id)
    if (!client) {
      const reason = 'the client was deleted or disabled, or no longer has a backchannel_logout_uri'
      return { final: true, reason }
    }
    const issuer = issuerOf(config.issuer, tenant)
    const sessionRequired = client.backchannel_logout_session_required === true
    const about = { ...pending, account_id: await subjects.of(tenant, client, pending.account_id) }
    const claims = logoutClaims(issuer, id, about, sessionRequired, clock.seconds())
    const alg = client.id_token_signed_response_alg
    const response = await fetch(client.backchannel_logout_uri, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: new URLSearchParams({
        logout_token: await signing.sign(tenant, alg, logoutTokenType, claims),
      }).toString(),
    })
    if (response.ok) return 'delivered'
    // §2.8: the client considers the token invalid, or its log-out failed; a retry would not help.
    const final = response.status === 400
    return { final, reason: `answered ${response.status}${await explanation(response)}` }
  }

  outbox.deliverWith(kind, {
    deliver,
    async settled({ tenant, id, payload }, { attempts, failed }) {
      const { client_id: clientId, account_id: accountId, sid } = pendingLogout.parse(payload)
      const type = failed === undefined ? 'logout.delivered' : 'logout.failed'
      const detail = { jti: id, sid, attempts, reason: failed }
      await audit.record(tenant, { type, clientId, accountId, detail })
    },
  })

  return {
    async tell(tenant, parts, everywhere) {
      const receivers = new Map<string, Receiver | undefined>()
      for (const { clientId } of parts) {
        if (!receivers.has(clientId)) receivers.set(clientId, await receiver(tenant, clientId))
      }
      const messages = distinct(parts).flatMap(({ accountId, clientId, sid }) => {
        const client = receivers.get(clientId)
        if (!client) return []
        const payload: PendingLogout = {
          client_id: clientId,
          account_id: accountId,
          sid,
          everywhere,
        }
        return [{ destination: new URL(client.backchannel_logout_uri).host, payload }]
      })
      await outbox.add(tenant, kind, messages)
    },

    async list(tenant, { accountId, clientId, state }) {
      const payload = {
        ...present({ account_id: accountId, client_id: clientId }),
      }
      const found = await outbox.list(tenant, kind, { state, payload })
      return found.map(({ payload: stored, ...message }) => {
        const pending = pendingLogout.parse(stored)
        return {
          ...message,
          clientId: pending.client_id,
          accountId: pending.account_id,
          sid: pending.sid,
        }
      })
    },
  }
}

/** The error text of the client's answer (§2.8), if it has one. */
async function explanation(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body !== 'object' || body === null) return ''
  const said = ['error', 'error_description']
    .map((member) => (body as Record<string, unknown>)[member])
    .filter((value) => typeof value === 'string')
  return said.length === 0
    ? ''
    : `: ${said
        .join(', ')
        .replace(/\p{Cc}/gu, ' ')
        .slice(0, 300)}`
}
