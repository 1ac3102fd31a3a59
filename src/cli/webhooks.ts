import { z } from 'zod'
import type { MessageView } from '../outbox/message.ts'
import { present } from '../present.ts'
import { columns } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import { rfc3339 } from './family-output.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

interface WebhookOutput {
  url: string
  events: string[]
  waiting: number
  failed: number
}

const plain = z.strictObject(ofTenant)

/** `webhooks list`: `{ webhooks: [{ url, events, waiting, failed }] }`. */
export const webhooksList: Command<z.infer<typeof plain>, { webhooks: WebhookOutput[] }> = {
  input: plain,
  prepare: tenantOption,
  async execute(core, { tenant }) {
    await assertTenant(core, tenant)
    const webhooks: WebhookOutput[] = []
    for (const { url, events } of await core.webhooks.list(tenant)) {
      const count = async (state: 'waiting' | 'failed') =>
        (await core.webhooks.deliveries(tenant, { url, state })).length
      webhooks.push({
        url,
        events,
        waiting: await count('waiting'),
        failed: await count('failed'),
      })
    }
    return { webhooks }
  },
  render: ({ webhooks }) =>
    webhooks.length === 0
      ? 'There are no webhooks.'
      : columns(
          webhooks.map(({ url, events, waiting, failed }) => [
            url,
            events.join(' '),
            `${waiting} waiting`,
            `${failed} failed`,
          ]),
        ),
}

const filter = z.strictObject({
  ...ofTenant,
  url: z.string().optional(),
  state: z.enum(['waiting', 'delivered', 'failed']).optional(),
})

/** What was, is or could not be sent; times as RFC 3339. */
interface DeliveryOutput {
  id: string
  url: string
  event: string
  type: string
  state: MessageView['state']
  attempts: number
  created_at: string
  next_at?: string
  delivered_at?: string
  failed_at?: string
  last_error?: string
}

/** `webhooks deliveries`: `{ deliveries: [{ id, url, event, type, state, attempts, … }] }`. */
export const webhooksDeliveries: Command<
  z.infer<typeof filter>,
  { deliveries: DeliveryOutput[] }
> = {
  input: filter,
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({
      url: optionalText(args, 'url'),
      state: optionalText(args, 'state') as MessageView['state'] | undefined,
    }),
  }),
  async execute(core, { tenant, ...which }) {
    await assertTenant(core, tenant)
    const found = await core.webhooks.deliveries(tenant, which)
    return { deliveries: found.map(output) }
  },
  render: ({ deliveries }) =>
    deliveries.length === 0
      ? 'There are no deliveries.'
      : columns(
          deliveries.map((each) => [
            each.id,
            each.created_at,
            each.type,
            each.url,
            each.state,
            `${each.attempts} ${each.attempts === 1 ? 'attempt' : 'attempts'}`,
            each.last_error ?? '',
          ]),
        ),
}

function output(view: MessageView): DeliveryOutput {
  const { nextAt, deliveredAt, failedAt, lastError } = view
  const { url, event } = view.payload as { url: string; event: { id: string; type: string } }
  return {
    id: view.id,
    url,
    event: event.id,
    type: event.type,
    state: view.state,
    attempts: view.attempts,
    created_at: rfc3339(view.createdAt),
    ...(nextAt === undefined ? {} : { next_at: rfc3339(nextAt) }),
    ...(deliveredAt === undefined ? {} : { delivered_at: rfc3339(deliveredAt) }),
    ...(failedAt === undefined ? {} : { failed_at: rfc3339(failedAt) }),
    ...(lastError === undefined ? {} : { last_error: lastError }),
  }
}

const which = z.strictObject({
  ...ofTenant,
  url: z.string().optional(),
  id: z.string().optional(),
})

/** `webhooks retry`: `{ retried }`. */
export const webhooksRetry: Command<z.infer<typeof which>, { retried: number }> = {
  input: which,
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ url: optionalText(args, 'url'), id: optionalText(args, 'id') }),
  }),
  async execute(core, { tenant, ...wanted }) {
    await assertTenant(core, tenant)
    return { retried: await core.webhooks.retry(tenant, wanted) }
  },
  render: ({ retried }) =>
    `${retried} ${retried === 1 ? 'delivery is' : 'deliveries are'} sent again.`,
}

const one = z.strictObject({ ...ofTenant, url: z.string() })

/** `webhooks remove`: `{ url, changed }`. */
export const webhooksRemove: Command<z.infer<typeof one>, { url: string; changed: boolean }> = {
  input: one,
  prepare: (args) => ({ ...tenantOption(args), url: args.operands[0] ?? '' }),
  async execute(core, { tenant, url }) {
    await assertTenant(core, tenant)
    return { url, changed: await core.webhooks.remove(tenant, url) }
  },
  render: ({ url, changed }) =>
    changed ? `${url} is told no more.` : `There is no webhook ${url}.`,
}
