import { z } from 'zod'
import type { Client } from '../clients/client.ts'
import { rfc3339 } from '../rfc3339.ts'
import { table } from './columns.ts'
import type { Command } from './command.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, after: z.string().optional() })

/** The stored members of a client, sound or not, and what can be said of its secrets. */
type ClientOutput = Record<string, unknown> & {
  client_id: string
  /** `self`: by dynamic registration; `document`: its `client_id` is the address of its metadata. */
  registered_by: 'operator' | 'self' | 'document'
  /** `expires_at` as RFC 3339; null for a secret without an end. */
  secrets: Array<{ expires_at: string | null }>
}

/** `clients list`: `{ clients: [{ client_id, …, registered_by, secrets: [{ expires_at }] }] }`. */
export const clientsList: Command<
  z.infer<typeof input>,
  { clients: ClientOutput[]; next?: string }
> = {
  input,
  list: 'clients',
  prepare: tenantOption,
  async execute(core, { tenant, after }) {
    await assertTenant(core, tenant)
    const now = core.clock.now()
    const found = await core.clients.page(tenant, { after, limit: pageLimit })
    const { shown, ...next } = pageIn(found, ({ clientId }) => clientId)
    return { clients: shown.map((client) => output(client, now)), ...next }
  },
  render: ({ clients }) =>
    table(clients, 'There are no clients.', (client) => [
      client.client_id,
      text(client['client_name']),
      text(client['token_endpoint_auth_method']),
      text(client['grant_types']),
      { operator: '', self: 'registered itself', document: 'metadata document' }[
        client.registered_by
      ],
    ]),
}

function output(
  { clientId, metadata, secrets, selfRegistered, fromDocument }: Client,
  now: number,
): ClientOutput {
  return {
    ...(metadata as Record<string, unknown>),
    client_id: clientId,
    registered_by: fromDocument ? 'document' : selfRegistered ? 'self' : 'operator',
    secrets: secrets
      .filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
      .map(({ expiresAt }) => ({
        expires_at: rfc3339(expiresAt) ?? null,
      })),
  }
}

function text(value: unknown): string {
  return Array.isArray(value) ? value.join(' ') : typeof value === 'string' ? value : ''
}
