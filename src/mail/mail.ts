import type { Config } from '../../config/config.ts'
import type { ActionTokens } from '../actions/action-tokens.ts'
import { codeTtl, type EmailCodes } from '../actions/email-codes.ts'
import type { EnrolmentTokens } from '../actions/enrolment-tokens.ts'
import type { Audit } from '../audit/audit.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Log } from '../log.ts'
import type { Attempt, Message } from '../outbox/message.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { countryName } from '../places/country-name.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { isMailAddress } from './address.ts'
import { timeIn, write } from './letter.ts'
import { type MailKind, type MailLanguage, type PendingMail, pendingMail } from './message.ts'
import { folderTransport, smtpTransport, type Transport } from './transport.ts'

/**
 * Mail to the owner of an account, or of an address about to become one. The kinds are a closed list. Sent by the
 * outbox.
 */
export interface Mail {
  /** Whether mail is configured; features that need it are not offered otherwise. */
  readonly isOn: boolean
  /**
   * Joins the transaction of the event. Does nothing where mail is off; notices beyond the limit `notice_account` are
   * dropped.
   */
  send(tenant: string, ...mailings: Mailing[]): Promise<void>
}

export interface Mailing {
  kind: MailKind
  accountId?: string | undefined
  language: MailLanguage
  /** The address; or the id of the token or code that was issued for an address. */
  to: string | { tokenId: string } | { enrolmentId: string } | { codeId: string }
  ip?: string | undefined
  /** An address to mention in the text. */
  address?: string | undefined
  /** Browser and system, in the language of the mail. */
  device?: string | undefined
  /** The country of the IP address (ISO 3166-1). */
  country?: string | undefined
}

/**
 * Whom a notice goes to, of what somebody did who is signed in, and the IP address that it names. An unconfirmed address
 * may be a stranger's, who must not learn who is signed in from where.
 */
export const noticeTo = (
  { email: to, emailVerified }: { email: string; emailVerified: boolean },
  ip: string | undefined,
): Pick<Mailing, 'to' | 'ip'> => ({ to, ip: emailVerified ? ip : undefined })

const kind = 'mail'

/** The path of each kind's link, below the issuer; the token follows. */
const linkPaths: Partial<Record<MailKind, string>> = {
  reset: '/password/reset',
  verification: '/email/verify',
  email_change: '/email/confirm',
  email_changing: '/email/object',
  sign_up: '/sign-up/finish',
  invitation: '/sign-up/finish',
}

/** Notices that a signed-in attacker could trigger without limit. */
const bounded: ReadonlySet<MailKind> = new Set(['new_device', 'new_country', 'data_downloaded'])

export function createMail({
  config,
  clock,
  log,
  limiter,
  outbox,
  audit,
  actionTokens,
  enrolmentTokens,
  emailCodes,
  selfContained,
}: Pick<Platform, 'config' | 'clock' | 'log'> & {
  limiter: Limiter
  outbox: Outbox
  audit: Audit
  actionTokens: ActionTokens
  enrolmentTokens: EnrolmentTokens
  emailCodes: EmailCodes
  /** Whether this is embedded mode. */
  selfContained: boolean
}): Mail {
  const transport = transportOf(config, selfContained, log)

  /** The link is made only now, and is the same on every attempt: so the outbox stores no secret. */
  async function linkOf(
    tenant: string,
    { token_id: tokenId, enrolment_id: enrolmentId }: PendingMail,
  ): Promise<{ token: string; email: string; expiresAt?: number } | 'void' | undefined> {
    if (tokenId !== undefined) return (await actionTokens.forDelivery(tenant, tokenId)) ?? 'void'
    if (enrolmentId === undefined) return undefined
    return (await enrolmentTokens.forDelivery(tenant, enrolmentId)) ?? 'void'
  }

  /**
   * Whether the limit allows this notice. Checked on the first attempt: it asks Redis, for which no transaction may
   * wait.
   */
  function mayGo(
    tenant: string,
    pending: PendingMail,
    attempts: number,
  ): Promise<boolean> | boolean {
    if (attempts > 1 || !bounded.has(pending.kind)) return true
    // A limit for each kind: however many sign-ins there are, they hide no download.
    const subject = `${pending.kind} ${pending.account_id}`
    return limiter.took(tenant, { limit: 'notice_account', subject })
  }

  async function deliver(
    carrier: Transport,
    { tenant, id, payload }: Message,
    attempts: number,
  ): Promise<Attempt | 'dropped'> {
    const pending = pendingMail.parse(payload)
    if (!(await mayGo(tenant, pending, attempts))) return 'dropped'
    const { code_id: codeId, language } = pending
    const action = await linkOf(tenant, pending)
    if (action === 'void') {
      return { final: true, reason: 'its link is no longer valid' }
    }
    const coded = codeId === undefined ? undefined : await emailCodes.forDelivery(tenant, codeId)
    if (codeId !== undefined && !coded)
      return { final: true, reason: 'its code is no longer valid' }
    const to = action?.email ?? coded?.email ?? pending.to ?? ''
    if (!isMailAddress(to)) return { final: true, reason: 'the address is not a mail address' }
    // URLs come from the issuer alone; there is no request here (security class C17).
    const home = issuerOf(config.issuer, tenant)
    const letter = write(pending.kind, language, {
      site: config.themeName,
      home,
      link: action && `${home}${linkPaths[pending.kind]}?token=${action.token}`,
      code: coded?.code,
      minutes: Math.floor((coded ? codeTtl : config.actionTokenTtl) / 60),
      until: action?.expiresAt === undefined ? undefined : timeIn(language, action.expiresAt),
      at: timeIn(language, pending.at),
      ip: pending.ip,
      address: pending.address,
      device: pending.device,
      country: pending.country === undefined ? undefined : countryName(language, pending.country),
    })
    const from = { name: config.themeName, address: config.mailFrom }
    const messageId = `${id}@${new URL(home).hostname}`
    const attempt = await carrier.send({ messageId, from, to, ...letter })
    return action || coded ? withoutWords(attempt) : attempt
  }

  if (transport) {
    outbox.deliverWith(kind, {
      deliver: (message, attempts) => deliver(transport, message, attempts),
      async settled({ tenant, id, payload }, { attempts, failed }) {
        const { account_id: accountId, kind: what } = pendingMail.parse(payload)
        const type = failed === undefined ? 'mail.sent' : 'mail.failed'
        const detail = { message: id, kind: what, attempts, reason: failed }
        await audit.record(tenant, { type, accountId, detail })
      },
    })
  } else {
    log.warn('mail is not sent because SMTP_URL is not set')
  }

  return {
    isOn: transport !== undefined,
    async send(tenant, ...mailings) {
      if (!transport) return
      const { destination } = transport
      const messages: Array<{ destination: string; payload: PendingMail }> = []
      for (const { kind: what, accountId, to, ip, address, device, country, ...rest } of mailings) {
        const payload: PendingMail = {
          kind: what,
          ...present({ account_id: accountId }),
          ...rest,
          ...recipientOf(to),
          at: clock.now(),
          ...present({ ip, address, device, country }),
        }
        messages.push({ destination, payload })
      }
      await outbox.add(tenant, kind, messages)
    },
  }
}

/**
 * Removes text from a mail server's refusal, which may quote the mail, and which is stored, logged and sent to
 * webhooks. For mails with a token or code only the status and the enhanced status are kept (RFC 5321 §4.2, RFC 3463
 * §2).
 */
function withoutWords(attempt: Attempt): Attempt {
  if (attempt === 'delivered') return attempt
  const [status = 'answered'] =
    /^answered \d{3}(?:[ -][245]\.\d{1,3}\.\d{1,3}(?!\S))?/.exec(attempt.reason) ?? []
  return { ...attempt, reason: status }
}

function recipientOf(
  to: Mailing['to'],
): Pick<PendingMail, 'to' | 'token_id' | 'enrolment_id' | 'code_id'> {
  if (typeof to === 'string') return { to }
  if ('codeId' in to) return { code_id: to.codeId }
  return 'tokenId' in to ? { token_id: to.tokenId } : { enrolment_id: to.enrolmentId }
}

function transportOf(config: Config, selfContained: boolean, log: Log): Transport | undefined {
  if (config.smtpUrl !== undefined) return smtpTransport(config.smtpUrl)
  return selfContained ? folderTransport(`${config.dataDir}/mail`, log) : undefined
}
