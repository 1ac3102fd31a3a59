import { z } from 'zod'
import { DomainError } from '../errors.ts'

/** Who caused an event: a person, a client, an operator, this server, or somebody unknown. */
export type ActorKind = 'account' | 'client' | 'operator' | 'system' | 'anybody'

/** `failure`: it was refused or failed. */
export type Outcome = 'success' | 'failure'

interface Kind {
  outcome: Outcome
  /** The default; overridden by `detail.by`, a command, or an actor of the event. */
  actor: ActorKind
  /** Retention in days, unless AUDIT_RETENTION overrides it. */
  keep: number
  /** The members of `detail`; no others are written. */
  detail: z.ZodObject
}

const text = z.string().optional()
const count = z.number().int()
const detailOf = (shape: z.ZodRawShape) => z.strictObject(shape)
const by = { by: z.enum(['owner', 'operator']) }
const none = detailOf({})
const place = detailOf({ ip: text, user_agent: text })
const factor = z.enum(['totp', 'passkey', 'email'])
const yes = z.literal(true).optional()

const days = { short: 90, long: 400 }

const done = (
  actor: ActorKind,
  detail: z.ZodObject = none,
  keep: number = days.long,
): Readonly<Kind> => ({ outcome: 'success', actor, detail, keep })
const failed = (
  actor: ActorKind,
  detail: z.ZodObject = none,
  keep: number = days.long,
): Readonly<Kind> => ({ outcome: 'failure', actor, detail, keep })

const told = { attempts: count }
const notTold = { ...told, reason: text }
const logout = { jti: z.string(), sid: text }
const mail = { message: z.string(), kind: z.string() }
const addresses = detailOf({ from: z.string(), to: z.string() })

const allowed = detailOf({ scopes: z.array(z.string()), resources: z.array(z.string()) })
const declared = detailOf({ members: z.array(z.string()) })
const declaredResource = detailOf({ resource_server: z.string(), members: z.array(z.string()) })

const caller = z.strictObject({ accountId: text, clientId: text, through: text })

const assignment = detailOf({
  by: z.union([z.literal('operator'), caller]),
  id: z.string(),
  role: z.string(),
  reach: z.string(),
})

/** The closed list of event types; each is documented in docs/audit.md. */
export const auditKinds = {
  'family.reuse': failed(
    'anybody',
    detailOf({
      verdict: z.enum(['race', 'attack']),
      presented_by: place,
      first_used_by: place.optional(),
      seconds_after_first_use: z.number().optional(),
      successor_used: z.boolean().optional(),
    }),
  ),
  'family.replayed': done('client', none, days.short),
  'family.ended': done('system', detailOf({ reason: z.string() })),
  'family.refreshed_rapidly': done(
    'client',
    detailOf({ refreshes: count, within_seconds: z.number() }),
  ),
  'family.network_changed': done('client', detailOf({ from: z.string(), to: z.string() })),
  'family.networks_alternated': done(
    'client',
    detailOf({ networks: z.array(z.string().nullish()) }),
  ),
  'logout.delivered': done('system', detailOf({ ...logout, ...told }), days.short),
  'logout.failed': failed('system', detailOf({ ...logout, ...notTold }), days.short),
  'backchannel.asked': done('client'),
  'backchannel.allowed': done('account'),
  'backchannel.denied': failed('account'),
  'backchannel.notified': done('system', detailOf(told), days.short),
  'backchannel.notify_failed': failed('system', detailOf(notTold), days.short),
  'account.signed_in': done(
    'account',
    detailOf({
      amr: z.array(z.string()).optional(),
      new_device: yes,
      new_network: yes,
      country: text,
      new_country: yes,
    }),
  ),
  'account.sign_in_failed': failed('anybody', detailOf({ count })),
  'account.signed_out_everywhere': done('account', detailOf(by)),
  'account.others_signed_out': done('account', detailOf({ ...by, session: z.string() })),
  'account.password_changed': done(
    'account',
    detailOf({ ...by, others: z.enum(['end', 'stay']).optional() }),
  ),
  'account.profile_changed': done('account', detailOf(by)),
  'account.data_downloaded': done('account'),
  'account.deleted': done('account', detailOf(by)),
  'account.disabled': done('operator', detailOf(by)),
  'account.enabled': done('operator', detailOf(by)),
  'account.locked': failed(
    'anybody',
    detailOf({
      for: z.enum(['strangers', 'device', 'devices']),
      failures: count,
      blocked: z.boolean(),
      until: text,
    }),
  ),
  'account.unlocked': done('account', detailOf({ ...by, failures: count })),
  'account.reset_requested': done('anybody', none, days.short),
  'account.email_verified': done('account'),
  'account.email_change_requested': done('account', addresses),
  'account.email_changed': done('account', addresses),
  'account.email_objected': done('account'),
  'account.sign_up_requested': done('anybody', detailOf({ enrolment: text }), days.short),
  'account.signed_up': done(
    'account',
    detailOf({ enrolment: z.string(), by: z.enum(['sign_up', 'invitation']) }),
  ),
  'invitation.created': done('operator', detailOf({ enrolment: z.string(), email: z.string() })),
  'invitation.revoked': done('operator', detailOf({ email: z.string() })),
  'mail.sent': done('system', detailOf({ ...mail, ...told }), days.short),
  'mail.failed': failed('system', detailOf({ ...mail, ...notTold }), days.short),
  'account.factor_added': done('account', detailOf({ ...by, factor: z.string(), kind: factor })),
  'account.factor_renamed': done('account', detailOf({ ...by, factor: z.string() })),
  'account.factor_removed': done(
    'account',
    detailOf({ ...by, factor: z.string(), kind: factor, left: count.optional() }),
  ),
  'account.passkey_refused': failed(
    'anybody',
    detailOf({ factor: z.string(), reason: z.string(), stored: z.number(), came: z.number() }),
  ),
  'account.recovery_codes_made': done('account', detailOf({ ...by, codes: count })),
  'account.recovery_code_used': done('account', detailOf({ ...by, left: count })),
  'session.ended': done('account', detailOf({ ...by, session: z.string() })),
  'grant.revoked': done('account', detailOf(by)),
  'session.signed_out': done('account', detailOf({ session: z.string() })),
  'consent.given': done('account', allowed),
  'consent.denied': failed('account', allowed),
  'token.issued': done(
    'client',
    detailOf({ grant_type: z.string(), scope: text, resource: z.array(z.string()).optional() }),
  ),
  'client.authentication_failed': failed(
    'anybody',
    detailOf({ count, endpoint: z.string() }),
    days.short,
  ),
  'account.created': done('system', declared),
  'account.updated': done('system', declared),
  'client.created': done('system', declared),
  'client.updated': done('system', declared),
  'client.secret_rotated': done('system', detailOf({ overlap: count })),
  'resource_server.created': done('system', declaredResource),
  'resource_server.updated': done('system', declaredResource),
  'resource_server.deleted': done('system', detailOf({ resource_server: z.string() })),
  'webhook.created': done('system', detailOf({ url: z.string(), members: z.array(z.string()) })),
  'webhook.updated': done('system', detailOf({ url: z.string(), members: z.array(z.string()) })),
  'webhook.removed': done('system', detailOf({ url: z.string() })),
  'tenant.created': done('system', declared),
  'tenant.updated': done('system', declared),
  'registration.policy_changed': done('operator', declared),
  'registration.token_created': done(
    'operator',
    detailOf({ initial_access: z.string(), name: text, uses: count }),
  ),
  'registration.token_revoked': done('operator', detailOf({ initial_access: z.string() })),
  'client.registered': done(
    'client',
    detailOf({
      mode: z.enum(['open', 'token', 'document']),
      initial_access: text,
      vouched_by: text,
    }),
  ),
  'client.changed': done('client'),
  'client.expired': done('system'),
  'client.disabled': done('operator', detailOf(by)),
  'client.enabled': done('operator', detailOf(by)),
  'client.deleted': done('operator', detailOf({ by: z.enum(['operator', 'client', 'retention']) })),
  'tenant.signed_out': done('operator', detailOf(by)),
  'tenant.disabled': done('operator', detailOf(by)),
  'tenant.enabled': done('operator', detailOf(by)),
  'tenant.policy_changed': done(
    'operator',
    detailOf({
      by: z.literal('operator'),
      require_mfa: z.boolean().optional(),
      email_codes: z.boolean().optional(),
      sign_up: text,
      sign_up_domains: z.array(z.string()).optional(),
    }),
  ),
  'signing_key.published': done(
    'system',
    detailOf({ kid: z.string(), alg: z.string(), replaces: text }),
  ),
  'signing_key.revoked': done(
    'operator',
    detailOf({ kid: z.string(), alg: z.string(), state: z.string() }),
  ),
  'admin.bootstrapped': done('operator', detailOf({ accounts: z.array(z.string()) })),
  'admin.role_granted': done('operator', assignment),
  'admin.role_revoked': done('operator', assignment),
  'admin.changed': done(
    'operator',
    detailOf({
      by: caller,
      route: z.string(),
      params: z.record(z.string(), z.string()),
      members: z.array(z.string()).optional(),
      request_id: z.string(),
    }),
  ),
  'key_encryption_key.rotated': done(
    'operator',
    detailOf({
      key_id: z.string(),
      generated: z.boolean(),
      retired_key_ids: z.array(z.string()),
      resealed: z.record(z.string(), count),
    }),
  ),
  'token.key_refused': failed(
    'anybody',
    detailOf({
      mechanism: z.enum(['dpop', 'mtls']),
      key: z.enum(['missing', 'other']),
      endpoint: text,
      count: count.optional(),
    }),
  ),
} as const satisfies Record<string, Kind>

export type AuditType = keyof typeof auditKinds

/** All event types. */
export const auditTypes = Object.keys(auditKinds) as AuditType[]

/** Whether this version has such a type. */
function isAuditType(name: string): name is AuditType {
  return Object.hasOwn(auditKinds, name)
}

/**
 * @param setting the setting with the names; `*` is all types
 * @throws DomainError `config_invalid` naming the unknown ones
 */
export function assertAuditTypes(setting: string, names: string[]): void {
  const strange = names.filter((name) => name !== '*' && !isAuditType(name))
  if (strange.length === 0) return
  throw new DomainError('config_invalid', {
    detail: `${setting}: expected types listed in docs/audit.md, got ${strange.join(', ')}.`,
  })
}
