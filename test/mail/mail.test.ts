import { statSync } from 'node:fs'
import { expect } from 'chai'
import { write } from '../../src/mail/letter.ts'
import { mailKinds } from '../../src/mail/message.ts'
import { folderTransport, smtpTransport } from '../../src/mail/transport.ts'
import { createAuthority, trust } from '../support/certificates.ts'
import { temporaryFolder } from '../support/child.ts'
import { silentLog } from '../support/cores.ts'
import { type Mailbox, openMailbox } from '../support/mailbox.ts'

const envelope = {
  messageId: 'one@example.com',
  from: { name: 'Key, "turn" <x@evil.example>', address: 'no-reply@example.com' },
  to: 'alice@example.com',
  subject: 'Häßliche\r\nBcc: eve@evil.example',
  text: 'Hello\n',
  html: '<p>Hello</p>',
}

describe('mail: letters', () => {
  const facts = {
    site: '<b>Site</b>',
    home: 'https://id.example.com',
    link: 'https://id.example.com/password/reset?token=a&b="',
    minutes: 30,
    at: 'now',
    ip: '192.0.2.1',
    address: '<script>@example.com',
  }
  for (const kind of mailKinds) {
    it(`are written for ${kind} in both languages, as text and as escaped HTML`, () => {
      const [en, de] = [write(kind, 'en', facts), write(kind, 'de', facts)]
      expect(en.subject).not.to.equal(de.subject)
      for (const { text, html } of [en, de]) {
        expect(text).to.include(`\n${facts.link}\n`)
        expect(html)
          .to.include('token=a&amp;b=&quot;')
          .and.not.match(/<b>|<script>|<img|src=/)
      }
    })
  }
})

describe('mail: SMTP', () => {
  let mailbox: Mailbox
  before(async () => {
    mailbox = await openMailbox()
  })
  after(() => mailbox.stop())

  it('lets no name, subject or address add a header (ASVS 1.3.11)', async () => {
    expect(await smtpTransport(mailbox.url).send(envelope)).to.equal('delivered')
    const [mail] = mailbox.mails
    const [head = ''] = mail?.raw.split('\r\n\r\n') ?? []
    expect(head).not.to.match(/^bcc:/im)
    expect(mail?.to).to.equal('alice@example.com')
    expect(mail?.messageId).to.equal('<one@example.com>')
    expect(head).to.match(/^from: .*<no-reply@example\.com>$/im)
    expect(head).to.match(/^auto-submitted: auto-generated$/im)
  })

  it('treats 4xx as temporary and 5xx as final (RFC 5321 §4.2.1)', async () => {
    mailbox.refuseWith(451, 554)
    const transport = smtpTransport(mailbox.url)
    expect(await transport.send(envelope)).to.include({ final: false })
    expect(await transport.send(envelope)).to.include({ final: true })
    expect(await transport.send(envelope)).to.equal('delivered')
  })

  it('fails when the server does not accept connections, so that the outbox pauses', async () => {
    const closed = await openMailbox()
    await closed.stop()
    const failure = await smtpTransport(closed.url)
      .send(envelope)
      .catch((error: Error) => error)
    expect(failure).to.be.an.instanceOf(Error)
  })

  it('sends nothing to a TLS server whose certificate is not trusted (ASVS 12.3.2)', async () => {
    const authority = await createAuthority('CN=Mail CA')
    const tls = await authority.issue('CN=mail', { names: [{ type: 'ip', value: '127.0.0.1' }] })
    const secured = await openMailbox({ tls })
    try {
      const failure = await smtpTransport(secured.url)
        .send(envelope)
        .catch(({ message }: Error) => message)
      expect(failure).to.match(/certificate/)
      expect(secured.attempts).to.have.length(0)
      trust(authority)
      expect(await smtpTransport(secured.url).send(envelope)).to.equal('delivered')
    } finally {
      await secured.stop()
    }
  })
})

describe('mail: a folder', () => {
  it('gets files that only their owner can read, one for each message id', async () => {
    const folder = `${await temporaryFolder('mail')}/mail`
    const transport = folderTransport(folder, silentLog)
    expect(await transport.send(envelope)).to.equal('delivered')
    expect(await transport.send(envelope)).to.equal('delivered')
    expect(statSync(folder).mode & 0o777).to.equal(0o700)
    expect(statSync(`${folder}/one.eml`).mode & 0o777).to.equal(0o600)
  })
})
