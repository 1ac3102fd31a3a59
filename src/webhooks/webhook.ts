import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { type AuditType, auditTypes } from '../audit/kinds.ts'
import { receiverUrl } from '../outgoing/receiver-url.ts'
import { column, ofTenant, table } from '../storage/table.ts'

/** A receiver of audit events. */
export interface Webhook {
  url: string
  /** Event types, prefixes (`account.*`), or `*` for all. */
  events: string[]
}

export const WebhooksTable = table('webhooks', {
  key: ['tenant_id', 'url'],
  columns: {
    tenant_id: column.text,
    url: column.text,
    events: column.texts,
    sealed: column.text,
    created_at: column.time,
    updated_at: column.time,
  },
  references: { tenant: ofTenant },
})

/** Symmetric secrets of Standard Webhooks: 24 to 64 bytes. */
const secretPattern = /^whsec_([A-Za-z0-9+/]{32,88}={0,2})$/

function keyIn(secret: string): Buffer | undefined {
  const [, encoded] = secretPattern.exec(secret) ?? []
  const key = encoded === undefined ? undefined : Buffer.from(encoded, 'base64')
  return key && key.length >= 24 && key.length <= 64 ? key : undefined
}

/** Whether the pattern matches any event type. */
const isKnown = (pattern: string) => auditTypes.some((type) => fits(type, pattern))

function fits(type: AuditType, pattern: string): boolean {
  return pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern
}

export function wants({ events }: Webhook, type: AuditType): boolean {
  return events.some((pattern) => fits(type, pattern))
}

/** A webhook in an apply file. */
export const webhookDeclaration = z.strictObject({
  url: receiverUrl,
  events: z
    .array(
      z
        .string()
        .refine((pattern) => /^(\*|[a-z_]+\.(\*|[a-z_]+))$/.test(pattern) && isKnown(pattern), {
          error: 'must be a type listed in docs/audit.md, a prefix of types (account.*), or *',
        }),
    )
    .min(1)
    .default(['*']),
  secret: z
    .string()
    .refine((secret) => keyIn(secret) !== undefined, {
      error: 'must be "whsec_" and 24 to 64 bytes in base64 (Standard Webhooks)',
    })
    .optional(),
})

/**
 * The headers of Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body.
 * @param seconds since the epoch
 */
export function signed(secret: string, id: string, seconds: number, body: string) {
  const mac = createHmac('sha256', keyIn(secret) as Buffer).update(`${id}.${seconds}.${body}`)
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': `v1,${mac.digest('base64')}`,
  }
}
