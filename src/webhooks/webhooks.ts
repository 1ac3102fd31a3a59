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
 * Sends audit events to other systems through the outbox. They are queued in the transaction that seals them, so each
 * is sent at least once, with its position in the chain.
 */
export interface Webhooks {
  list(tenant: string): Promise<Webhook[]>
  /**
   * Creates or updates a webhook as declared; without a secret the stored one stays.
   * @throws DomainError `apply_invalid` when a new one has no secret
   */
  declare(
    tenant: string,
    webhook: z.infer<typeof webhookDeclaration>,
  ): Promise<'created' | 'updated' | 'unchanged'>
  /** Deletes a webhook and its waiting messages. @returns whether it existed */
  remove(tenant: string, url: string): Promise<boolean>
  /** Deliveries of all states, newest first, at most 1000. */
  deliveries(tenant: string, which: DeliveryFilter): Promise<MessageView[]>
  /** Restarts deliveries that were given up. @returns how many @param id one delivery alone */
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

/** 410 Gone: do not retry (Standard Webhooks). */
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

  // Deliveries have no audit event: a webhook for all events would report its own deliveries, without end.
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

  /** Removes the query, which may have secrets. */
  const plain = (url: string) => url.replace(/\?.*$/, '')

  return {
    list,
    declare: (tenant, { url, events, secret }) =>
      database.transaction(async () => {
        const known = await find(tenant, url)
        const wanted = secret ?? known?.secret
        if (wanted === undefined) {
          throw new DomainError('apply_invalid', {
            detail: { url, faults: ['secret: required for a new webhook'] },
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
