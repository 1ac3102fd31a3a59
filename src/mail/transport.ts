import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log.ts'
import type { Attempt } from '../outbox/message.ts'
import { isThisMachine } from '../outgoing/address.ts'

/** What carries mail away. */
export interface Transport {
  /** Whom the load falls on, for the outbox. */
  readonly destination: string
  /** One attempt. @throws whatever kept the other side from answering */
  send(envelope: Envelope): Promise<Attempt>
}

export interface Envelope {
  /** Stable over all attempts: without the angle brackets. */
  messageId: string
  from: { name: string; address: string }
  to: string
  subject: string
  text: string
  html: string
}

/**
 * Milliseconds. Together less than the lease of a message in the outbox, so that no other node sends it meanwhile; if
 * one does, its message id is the same.
 */
const timeouts = {
  dnsTimeout: 2000,
  connectionTimeout: 3000,
  greetingTimeout: 6000,
  socketTimeout: 10_000,
}

/** Not before there is mail. */
const library = () => import('nodemailer')

/** What no mail of ours needs, and what would read files or addresses if it got in. */
const closed = { disableFileAccess: true, disableUrlAccess: true } as const

function compose({ messageId, from, to, subject, text, html }: Envelope) {
  return {
    messageId: `<${messageId}>`,
    // As objects: no address is parsed, so none can become two.
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
        // RFC 5321 §4.2.1: 5xx to this mail is for good, 4xx is not. One to our credentials is for an operator to mend.
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

/** Into files that a mail program opens, for whoever tries the server out. @param folder it is made when need be */
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
      log.info({ path }, 'mail was written to this file and not sent, as SMTP_URL is not set')
      return 'delivered'
    },
  }
}
