import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import type { Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from './any-storage.ts'
import { boot, type TestServer } from './boot.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { remember } from './witness.ts'

/** A mail as it arrived. */
export interface Mail {
  to: string
  /** The head as it was, and the body decoded. */
  raw: string
  text: string
  subject: string
  messageId: string
  /** The first link to a page of ours, if there is one with a token. */
  link: string | undefined
}

/** A real SMTP server with controllable replies. */
export interface Mailbox {
  url: string
  /** Accepted mails, oldest first. */
  mails: Mail[]
  /** Every attempt, by its message id. */
  attempts: string[]
  /** The link of each attempt. */
  links: Array<string | undefined>
  /** Reply codes to the next mails; 0 accepts a mail but never replies. */
  refuseWith(...codes: number[]): void
  stop(): Promise<void>
}

function headerOf(raw: string, name: string): string {
  const head = raw.split('\r\n\r\n', 1)[0] ?? ''
  return new RegExp(`^${name}: (.*)$`, 'im').exec(head.replaceAll(/\r\n[ \t]+/g, ' '))?.[1] ?? ''
}

/** Encoded words of RFC 2047, as far as we send them. */
function decodedWords(text: string): string {
  return text.replaceAll(
    /=\?utf-8\?(q|b)\?([^?]*)\?= ?/gi,
    (_all, kind: string, content: string) =>
      kind.toLowerCase() === 'b'
        ? Buffer.from(content, 'base64').toString()
        : quotedPrintable(content.replaceAll('_', ' ')),
  )
}

function quotedPrintable(text: string): string {
  const bytes = text
    .replaceAll(/=\r?\n/g, '')
    .replaceAll(/=([\dA-F]{2})/g, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}

function textOf(raw: string): string {
  const part = raw
    .split(/^--[^\r\n]+\r\n/m)
    .find((each) => /^content-type: text\/plain/i.test(each))
  const [head = '', ...body] = (part ?? raw).split('\r\n\r\n')
  const content = body.join('\r\n\r\n')
  if (/base64/i.test(head)) return Buffer.from(content, 'base64').toString()
  return /quoted-printable/i.test(head) ? quotedPrintable(content) : content
}

function readMail(raw: string): Mail {
  const text = textOf(raw)
  const link = /^https?:\S+token=\S+$/m.exec(text)?.[0]
  const token = link && new URL(link).searchParams.get('token')
  // No store or log may contain it.
  if (token) remember(token)
  return {
    raw,
    text,
    link,
    to: headerOf(raw, 'to'),
    subject: decodedWords(headerOf(raw, 'subject')),
    messageId: headerOf(raw, 'message-id'),
  }
}

/** Real servers quote a refused mail: a listed link, or raw lines (RFC 2045 §6.7). */
const quoting = ({ link, text, raw }: Mail) =>
  `5.7.1 not this one, it has ${link ?? /\b\d{8}\b/.exec(text)?.[0] ?? 'something'}: ${raw
    .split('\r\n\r\n')
    .slice(1)
    .join(' ')
    .slice(0, 2000)
    .replaceAll('\r\n', ' ')}`

export async function openMailbox(
  options: { tls?: { key: string; cert: string } } = {},
): Promise<Mailbox> {
  const port = await freePort()
  const mails: Mail[] = []
  const attempts: string[] = []
  const links: Mailbox['links'] = []
  const refusals: number[] = []
  const smtp = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    // The private key of smtp-server's built-in certificate is public.
    ...(options.tls ? {} : { hideSTARTTLS: true, disabledCommands: ['STARTTLS'] }),
    ...(options.tls ? { secure: true, ...options.tls } : {}),
    onData(stream, _session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const mail = readMail(Buffer.concat(chunks).toString())
        attempts.push(mail.messageId)
        links.push(mail.link)
        const code = refusals.shift()
        if (code === 0) return
        if (code !== undefined)
          return done(Object.assign(new Error(quoting(mail)), { responseCode: code }))
        mails.push(mail)
        return done()
      })
    },
  })
  smtp.on('error', () => {})
  await new Promise<void>((resolve) => smtp.listen(port, '127.0.0.1', resolve))
  return {
    url: `smtp${options.tls ? 's' : ''}://127.0.0.1:${port}`,
    mails,
    attempts,
    links,
    refuseWith: (...codes) => void refusals.push(...codes),
    stop: () => new Promise((resolve) => smtp.close(() => resolve())),
  }
}

/** The server of a suite (`booted`), and where its mail arrives. */
export function bootedWithMail(
  settings: Record<string, string> = {},
  ...prepare: Array<(server: TestServer) => Promise<unknown>>
): { server: TestServer; mailbox: Mailbox } {
  const server = {} as TestServer
  const mailbox = {} as Mailbox
  before(async () => {
    Object.assign(mailbox, await openMailbox())
    Object.assign(server, await boot(anyStorage, { SMTP_URL: mailbox.url, ...settings }))
    for (const step of prepare) await step(server)
  })
  after(async () => {
    await server.stop?.()
    await mailbox.stop?.()
  })
  return { server, mailbox }
}

/** What embedded mode wrote to its folder. */
export function writtenMail({ core }: TestServer): Mail[] {
  const folder = join(core.config.dataDir, 'mail')
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.eml'))
      .map((name) =>
        readMail(readFileSync(join(folder, name), 'utf8').replaceAll(/\r?\n/g, '\r\n')),
      )
  } catch {
    return []
  }
}

/** Waits until all mail of this server is sent, so that the next refusal applies to the next mail. */
export async function allSent({ outbox }: Core): Promise<void> {
  await eventually('all mail is sent', async () => {
    const left = await outbox.list(defaultTenant, 'mail', { state: 'waiting' })
    return left.length === 0
  })
}

/** The one mail that fits, as soon as it is there. */
export function nextMail(
  what: string,
  mails: () => Mail[],
  fits: (mail: Mail) => boolean = () => true,
): Promise<Mail> {
  return eventually(what, () => mails().find(fits))
}
