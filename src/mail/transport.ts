import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log.ts'
import type { Attempt } from '../outbox/message.ts'
import { isThisMachine } from '../outgoing/address.ts'

/** A way to send mail. */
export interface Transport {
  /** The receiving host, for the outbox's load control. */
  readonly destination: string
  /** Makes one attempt. @throws when the other side did not answer */
  send(envelope: Envelope): Promise<Attempt>
}

export interface Envelope {
  /** The same on every attempt; without the angle brackets. */
  messageId: string
  from: { name: string; address: string }
  to: string
  subject: string
  text: string
  html: string
}

/**
 * Milliseconds. Together shorter than the outbox's lease, so that no other node sends the message at the same time; if
 * one does, its message id is the same.
 */
const timeouts = {
  dnsTimeout: 2000,
  connectionTimeout: 3000,
  greetingTimeout: 6000,
  socketTimeout: 10_000,
}

/** Loaded with the first mail. */
const library = () => import('nodemailer')

/** Never needed by our mails; would read files or URLs if one got in. */
const closed = { disableFileAccess: true, disableUrlAccess: true } as const

function compose({ messageId, from, to, subject, text, html }: Envelope) {
  return {
    messageId: `<${messageId}>`,
    // As objects: addresses are not parsed, so one cannot become two.
    from,
    to: { name: '', address: to },
    subject,
    text,
    html,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' },
  }
}

/** Over SMTP (RFC 5321), with TLS unless the server is this machine (ASVS 12.3.1). */
export function smtpTransport(smtpUrl: string): Transport {
  const { protocol, hostname, host, port, username, password } = new URL(smtpUrl)
  const secure = protocol === 'smtps:'
  const options = {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && !isThisMachine(hostname),
    ignoreTLS: !secure && isThisMachine(hostname),
    tls: { rejectUnauthorized: true, minVersion: 'TLSv1.2' as const },
    ...(username === ''
      ? {}
      : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    ...timeouts,
    ...closed,
  }
  return {
    destination: host,
    async send(envelope) {
      const transporter = (await library()).createTransport(options)
      try {
        await transporter.sendMail(compose(envelope))
        return 'delivered'
      } catch (error) {
        const { code, responseCode, response } = error as Refusal
        if (responseCode === undefined) throw error
        // RFC 5321 §4.2.1: 5xx is permanent, 4xx is not. A 5xx to the login is for the operator to fix, so it is
        // retried.
        const final = responseCode >= 500 && (code === 'EENVELOPE' || code === 'EMESSAGE')
        return {
          final,
          reason: `answered ${(response ?? String(responseCode)).replace(/\p{Cc}/gu, ' ')}`,
        }
      }
    },
  }
}

interface Refusal {
  code?: string
  responseCode?: number
  response?: string
}

/** Writes mails to files that a mail program opens, to try the server out. @param folder created when missing */
export function folderTransport(folder: string, log: Log): Transport {
  return {
    destination: 'folder',
    async send(envelope) {
      const { createTransport } = await library()
      const composer = createTransport({ streamTransport: true, buffer: true, ...closed })
      const { message } = await composer.sendMail(compose(envelope))
      const path = join(folder, `${envelope.messageId.replace(/@.*$/, '')}.eml`)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFile(`${path}.part`, message as Buffer, { mode: 0o600 })
      await rename(`${path}.part`, path)
      log.info({ path }, 'mail was written to a file and not sent because SMTP_URL is not set')
      return 'delivered'
    },
  }
}
