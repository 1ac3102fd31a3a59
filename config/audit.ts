import { daysByName } from './values.ts'

/** How long audit events are kept: a part of the table in config.ts. */
export const audit = {
  auditRetention: {
    env: 'AUDIT_RETENTION',
    group: 'Audit',
    schema: daysByName,
    default: '',
    description:
      'How many days audit events are kept, by type; overrides the defaults in `docs/audit.md`: `mail.sent=30 *=730`.',
  },
} as const
