import type { Audit, AuditEvent } from '../audit/audit.ts'
import { type Mail, noticeTo } from '../mail/mail.ts'
import type { MailKind, MailLanguage } from '../mail/message.ts'
import type { Database } from '../storage/database.ts'

/** Who makes a change. */
export interface Actor {
  by: 'owner' | 'operator'
  ip?: string | undefined
  userAgent?: string | undefined
  /** Language of the notice; by default that of the installation. */
  language?: MailLanguage | undefined
}

type Told = Pick<AuditEvent, 'type' | 'accountId' | 'detail'> & { accountId: string }

/**
 * Audit events and notices by mail about second factors (ASVS 6.3.7), in the transaction of the change. It depends on
 * the event and not on the kind of factor, so new kinds are covered.
 */
export interface FactorTrail {
  /** @param quiet no letter, as another one mentions it */
  record(tenant: string, event: Told, actor: Actor, quiet?: boolean): Promise<void>
}

/** A rename is not notified: it does not change who gets in. */
const letters: Partial<Record<AuditEvent['type'], MailKind>> = {
  'account.factor_added': 'factor_added',
  'account.factor_removed': 'factor_removed',
  'account.recovery_codes_made': 'recovery_codes_made',
  'account.recovery_code_used': 'recovery_code_used',
}

export function createFactorTrail({
  database,
  audit,
  mail,
  language: ofInstallation,
}: {
  database: Database
  audit: Audit
  mail: Mail
  language: MailLanguage
}): FactorTrail {
  /** Undefined for a deleted account, which is no longer notified. */
  async function ownerOf(tenant: string, accountId: string) {
    const [row] = await database.query<{ email: string; emailVerified: boolean }>(
      `select email, email_verified as "emailVerified" from accounts
       where tenant_id = $1 and id = $2 and deleted_at is null`,
      [tenant, accountId],
    )
    return row
  }

  return {
    async record(tenant, { accountId, ...event }, { by, ip, userAgent, language }, quiet = false) {
      const detail = { ...event.detail, by }
      await audit.record(tenant, { ...event, accountId, ip, userAgent, detail })
      const kind = letters[event.type]
      const owner = kind && !quiet ? await ownerOf(tenant, accountId) : undefined
      if (kind === undefined || owner === undefined) return
      const about = { accountId, language: language ?? ofInstallation, ...noticeTo(owner, ip) }
      await mail.send(tenant, { kind, ...about })
    },
  }
}
