import { z } from 'zod'
import type { MessageView } from '../outbox/message.ts'
import { present } from '../present.ts'
import { table } from './columns.ts'
import { type Command, optionalText } from './command.ts'
import {
  type MessageOutput,
  messageCells,
  messageOutput,
  ofState,
  stateOption,
} from './message-output.ts'
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
    table(webhooks, 'There are no webhooks.', ({ url, events, waiting, failed }) => [
      url,
      events.join(' '),
      `${waiting} waiting`,
      `${failed} failed`,
    ]),
}

const filter = z.strictObject({
  ...ofTenant,
  url: z.string().optional(),
  ...ofState,
})

/** A delivery in any state; times as RFC 3339. */
interface DeliveryOutput extends MessageOutput {
  id: string
  url: string
  event: string
  type: string
}

/** `webhooks deliveries`: `{ deliveries: [{ id, url, event, type, state, attempts, … }] }`. */
export const webhooksDeliveries: Command<
  z.infer<typeof filter>,
  { deliveries: DeliveryOutput[] }
> = {
  input: filter,
  prepare: (args) => ({
    ...tenantOption(args),
    ...present({ url: optionalText(args, 'url') }),
    ...stateOption(args),
  }),
  async execute(core, { tenant, ...which }) {
    await assertTenant(core, tenant)
    const found = await core.webhooks.deliveries(tenant, which)
    return { deliveries: found.map(output) }
  },
  render: ({ deliveries }) =>
    table(deliveries, 'There are no deliveries.', (each) => [
      each.id,
      each.created_at,
      each.type,
      each.url,
      ...messageCells(each),
    ]),
}

function output(view: MessageView): DeliveryOutput {
  const { url, event } = view.payload as { url: string; event: { id: string; type: string } }
  return { id: view.id, url, event: event.id, type: event.type, ...messageOutput(view) }
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
    changed ? `Webhook ${url} is removed.` : `There is no webhook ${url}.`,
}
