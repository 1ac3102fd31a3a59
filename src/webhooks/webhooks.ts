import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Audit } from '../audit/audit.ts'
import { eventJson } from '../audit/event.ts'
import { DomainError } from '../errors.ts'
import { type Attempt, answeredWith, type Message, type MessageView } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import type { MessageFilter } from '../outbox/outbox-view.store.ts'
import type { Platform } from '../platform.ts'
import type { SealedColumn } from '../secrets/sealed-column.ts'
import { signed, type Webhook, wants, type webhookDeclaration } from './webhook.ts'

/**
 * Sends audit events to others when they are sealed, by the outbox: in the transaction that seals, so that each is sent
 * at least once, with its place in the chain.
 */
export interface Webhooks {
  list(tenant: string): Promise<Webhook[]>
  /**
   * Makes a webhook be as declared; a secret that is absent stays as it is.
   * @throws DomainError `apply_invalid` for one that is new and has no secret
   */
  declare(
    tenant: string,
    webhook: z.infer<typeof webhookDeclaration>,
  ): Promise<'created' | 'updated' | 'unchanged'>
  /** Whether it was there; what waits for it is given up. */
  remove(tenant: string, url: string): Promise<boolean>
  /** What was sent, what waits and what was given up, the newest first, 1000 at most. */
  deliveries(tenant: string, which: DeliveryFilter): Promise<MessageView[]>
  /** Sends again what was given up; returns how many. @param id one delivery alone */
  retry(
    tenant: string,
    which: { url?: string | undefined; id?: string | undefined },
  ): Promise<number>
}

export interface DeliveryFilter extends Pick<MessageFilter, 'state'> {
  url?: string | undefined
}

const kind = 'webhook'

const pending = z.object({ url: z.string(), event: z.record(z.string(), z.unknown()) })

/** Gone: it is not to be told again (Standard Webhooks). */
const gone = 410

const purpose = (tenant: string, url: string) => JSON.stringify(['webhook', tenant, url])

export const sealedWebhookSecrets: SealedColumn = {
  table: 'webhooks',
  key: ['tenant_id', 'url'],
  column: 'sealed',
  purpose,
}

export function createWebhooks({
  database,
  clock,
  sealer,
  outbox,
  audit,
  fetch,
}: Pick<Platform, 'database' | 'clock' | 'sealer' | 'fetch'> & {
  outbox: Outbox
  audit: Audit
}): Webhooks {
  const list = (tenant: string) =>
    database.query<Webhook>('select url, events from webhooks where tenant_id = $1 order by url', [
      tenant,
    ])

  async function find(tenant: string, url: string) {
    const [row] = await database.query<Webhook & { sealed: string }>(
      'select url, events, sealed from webhooks where tenant_id = $1 and url = $2',
      [tenant, url],
    )
    return row && { ...row, secret: sealer.open(purpose(tenant, url), row.sealed) }
  }

  async function deliver({ tenant, id, payload }: Message): Promise<Attempt> {
    const { url, event } = pending.parse(payload)
    const webhook = await find(tenant, url)
    if (!webhook) return { final: true, reason: 'the webhook was removed' }
    const body = JSON.stringify({ type: event['type'], timestamp: event['at'], data: event })
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...signed(webhook.secret, id, clock.seconds(), body),
      },
      body,
    })
    return answeredWith(response, gone)
  }

  // No event tells of a delivery: a webhook for all events would tell of that as well, and so on.
  outbox.deliverWith(kind, { deliver, settled: async () => undefined })

  audit.onSealed(async (tenant, ids) => {
    const webhooks = await list(tenant)
    if (webhooks.length === 0) return
    const events = await audit.byIds(tenant, ids)
    const messages = events.flatMap((event) =>
      webhooks
        .filter((webhook) => wants(webhook, event.type))
        .map(({ url }) => ({
          destination: new URL(url).host,
          payload: { url, event: eventJson(tenant, event) },
        })),
    )
    await outbox.add(tenant, kind, messages)
  })

  /** Addresses may have secrets in their query. */
  const plain = (url: string) => url.replace(/\?.*$/, '')

  return {
    list,
    declare: (tenant, { url, events, secret }) =>
      database.transaction(async () => {
        const known = await find(tenant, url)
        const wanted = secret ?? known?.secret
        if (wanted === undefined) {
          throw new DomainError('apply_invalid', {
            detail: { url, faults: ['secret: a new webhook needs one'] },
          })
        }
        const members = [
          ...(isDeepStrictEqual(known?.events, events) ? [] : ['events']),
          ...(wanted === known?.secret ? [] : ['secret']),
        ]
        if (members.length === 0) return 'unchanged'
        const sealed = await sealer.seal(purpose(tenant, url), wanted)
        await database.execute(
          `insert into webhooks (tenant_id, url, events, sealed, created_at, updated_at) values ($1, $2, $3, $4, $5, $5)
           on conflict (tenant_id, url) do update set events = excluded.events, sealed = excluded.sealed,
             updated_at = excluded.updated_at`,
          [tenant, url, events, sealed, new Date(clock.now())],
        )
        const type = known ? 'webhook.updated' : 'webhook.created'
        await audit.record(tenant, { type, detail: { url: plain(url), members } })
        return known ? 'updated' : 'created'
      }),
    remove: (tenant, url) =>
      database.transaction(async () => {
        const changed = await database.execute(
          'delete from webhooks where tenant_id = $1 and url = $2',
          [tenant, url],
        )
        if (changed === 0) return false
        await audit.record(tenant, { type: 'webhook.removed', detail: { url: plain(url) } })
        return true
      }),
    deliveries: (tenant, { state, url }) =>
      outbox.list(tenant, kind, { state, payload: url === undefined ? {} : { url } }),
    retry: (tenant, { id, url }) =>
      outbox.retry(tenant, kind, { id, payload: url === undefined ? {} : { url } }),
  }
}
