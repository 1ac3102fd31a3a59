import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { parse } from 'node-html-parser'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { givePasskey, showPasskey } from '../support/authenticator.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { alice, furnish, tv, web } from '../support/fixtures.ts'
import { type Mail, type Mailbox, nextMail, openMailbox } from '../support/mailbox.ts'
import { authorizeUrl, encode } from '../support/protocol.ts'

const evil = 'attacker.example'
const claimed = '192.0.2.1'

/** What an intermediary, or a page in a browser, can put into a request: header lines and the target. */
const hostile: Record<string, { lines?: string[]; host?: string; absolute?: boolean }> = {
  Host: { host: `${evil}:666` },
  'Host of this machine': { host: 'localhost' },
  'the absolute form of the target': { absolute: true, host: evil },
  'every header that other servers honour': {
    lines: [
      `Forwarded: for=${claimed};host=${evil};proto=http;by=${evil}`,
      ...['X-Forwarded-Host', 'x-forwarded-HOST'].map((name) => `${name}: ${evil}`),
      ...['X_Forwarded_Host', 'X-Original-Host', 'X-Forwarded-Server', 'X-Host'].map(
        (name) => `${name}: ${evil}`,
      ),
      ...['X-Forwarded-Proto: http', 'X-Forwarded-Scheme: ftp', 'X-Forwarded-Ssl: off'],
      ...['X-Forwarded-Port: 666', 'X-Forwarded-Prefix: /evil', 'X-Script-Name: /evil'],
      ...['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Uri'].map((name) => `${name}: /healthz`),
      ...['X-HTTP-Method-Override: DELETE', 'X-Method-Override: PUT'],
      ...['X-Real-IP', 'X-Client-IP', 'True-Client-IP'].map((name) => `${name}: ${claimed}`),
    ],
  },
  'X-Forwarded-For': { lines: [`X-Forwarded-For: 6.6.6.6, ${claimed}`] },
}

type Hostility = (typeof hostile)[string]

interface Answer {
  status: number
  head: string
  body: string
  location: string | undefined
  cookies: string[]
}

/** The WebAuthn options of the sign-in page. */
function optionsOf(body: string): { challenge: string; rpId?: string } {
  const form = parse(body).querySelector('#passkey-form')
  return JSON.parse(form?.getAttribute('data-options') ?? 'null') as { challenge: string }
}

/** Replaces what differs between requests regardless of their headers. */
function normalised(said: string): string {
  return (
    said
      // The length of a page with a time varies: nine o'clock is shorter than ten.
      .replaceAll(/^(date|age|etag|keep-alive|connection|content-length): .*\r\n/gim, '')
      .replaceAll(/expires=[^;\r]+/gi, 'expires=…')
      .replaceAll(/\b\d{10}\b/g, 'now')
      .replaceAll(/person\d+/g, 'person')
      .replaceAll(/(?<![\n\w-])[\w-]{20,}/g, '…')
      .replaceAll(/\b[B-Z]{4}-?[B-Z]{4}\b/g, 'CODE')
      .replaceAll(/\w+ \d+, \d{4} at [\d:]+ [AP]M UTC/g, 'now')
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'now')
  )
}

for (const trustProxy of ['', '127.0.0.1/32']) {
  describe(`http: hostile headers, ${trustProxy ? 'from a trusted proxy' : 'from any peer'} (C17, C29, ASVS 4.1.3)`, () => {
    let server: TestServer
    let mailbox: Mailbox
    let people = 0
    let usual: Record<string, string>

    before(async () => {
      mailbox = await openMailbox()
      const places = { ISSUER: 'https://auth.example.com/base', HOST: '127.0.0.1' }
      const settings = { ...places, TRUST_PROXY: trustProxy, SMTP_URL: mailbox.url }
      server = await boot(anyStorage, settings)
      await furnish(server)
      await server.core.tenants.declareSignUp(tenant, { mode: 'open', domains: [] })
      usual = await story({})
    })
    after(async () => {
      await server?.stop()
      await mailbox?.stop()
    })

    /** Sends exactly this request, whatever its head contains. */
    async function send(
      method: string,
      target: string,
      { lines = [], host = 'auth.example.com', absolute = false }: Hostility,
      { form, head = [] }: { form?: Record<string, string>; head?: string[] } = {},
    ): Promise<Answer> {
      const socket = connect({ port: server.core.config.port, host: '127.0.0.1' })
      const body = form === undefined ? '' : encode(form)
      const typed = 'Content-Type: application/x-www-form-urlencoded'
      const sent = [
        `${method} ${absolute ? `http://${evil}` : ''}${target} HTTP/1.1`,
        `Host: ${host}`,
        'Connection: close',
        'Accept: text/html, */*',
        'Sec-Fetch-Site: same-origin',
        ...(form ? [typed, `Content-Length: ${body.length}`] : []),
        // Pages of this server send it; programs do not.
        ...(form?.['csrf'] ? ['Origin: https://auth.example.com'] : []),
        ...head,
        ...lines,
      ]
      socket.write(`${sent.join('\r\n')}\r\n\r\n${body}`)
      const [said = '', ...rest] = (await text(socket)).split('\r\n\r\n')
      const all = (name: string) =>
        [...said.matchAll(new RegExp(`^${name}: (.*)$`, 'gim'))].map(([, value = '']) =>
          value.trim(),
        )
      return {
        status: Number(said.split(' ')[1]),
        head: said,
        body: rest.join('\r\n\r\n'),
        location: all('location')[0],
        cookies: all('set-cookie'),
      }
    }

    /**
     * Signs a user in, changes the address and signs out in one browser. Returns each answer, and the links of the
     * mails.
     */
    async function story(hostility: Hostility): Promise<Record<string, string>> {
      const said: Record<string, string> = {}
      const jar = new Map<string, string>()
      const email = `person${String(people++).padStart(3, '0')}@example.com`
      const { account: owner } = await server.core.accounts.create(tenant, {
        email,
        password: alice.password,
      })

      async function ask(
        what: string,
        method: string,
        target: string,
        form?: Record<string, string>,
        head: string[] = [],
      ): Promise<Answer> {
        const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
        const answer = await send(method, target, hostility, {
          ...(form ? { form } : {}),
          head: [...head, ...(cookie ? [`Cookie: ${cookie}`] : [])],
        })
        for (const line of answer.cookies) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
          if (value) jar.set(name, value)
          else jar.delete(name)
        }
        said[what] = normalised(`${answer.head}\r\n\r\n${answer.body}`)
        return answer
      }
      /** Follows redirects within the server and records each answer. */
      async function follow(what: string, start: Answer): Promise<Answer> {
        let answer = start
        for (let hop = 1; answer.location !== undefined && hop < 10; hop += 1) {
          const { pathname, search, origin } = new URL(answer.location, 'https://auth.example.com')
          if (origin !== 'https://auth.example.com') break
          answer = await ask(`${what}, redirect ${hop}`, 'GET', pathname + search)
        }
        return answer
      }
      async function submit(
        what: string,
        page: Answer,
        form: string,
        fields: Record<string, string>,
      ) {
        const found = parse(page.body).querySelector(form)
        const csrf = found?.querySelector('[name=csrf]')?.getAttribute('value')
        if (!found || !csrf) throw new Error(`${what}: no ${form} in ${page.head}\n${page.body}`)
        return follow(
          what,
          await ask(what, 'POST', found.getAttribute('action') ?? '', { csrf, ...fields }),
        )
      }
      async function mailed(what: string, to: string, subject: RegExp): Promise<void> {
        const fits = (mail: Mail) => mail.to === to && subject.test(mail.subject)
        const mail = await nextMail(what, () => mailbox.mails, fits)
        said[what] = normalised((mail.text.match(/https?:\S+/g) ?? []).join('\n'))
      }

      for (const path of [
        '.well-known/openid-configuration',
        '.well-known/oauth-authorization-server',
        'jwks',
      ]) {
        await ask(path, 'GET', `/base/${path}`)
      }
      const { search } = authorizeUrl(server, web)
      await follow('authorize', await ask('authorize', 'GET', `/base/authorize${search}`))
      await ask('error page', 'GET', '/base/nowhere')
      await ask('error of a request', 'GET', '/base/authorize?client_id=nobody')
      await ask('401 of userinfo', 'GET', '/base/userinfo', undefined, ['Authorization: Bearer x'])
      await ask('401 of token', 'POST', '/base/token', { grant_type: 'client_credentials' }, [
        `Authorization: Basic ${Buffer.from(`${web.client_id}:wrong`).toString('base64')}`,
      ])
      await ask('device', 'POST', '/base/device_authorization', {
        client_id: tv.client_id,
        scope: 'openid',
      })

      const forgot = await ask('forgot', 'GET', '/base/password/forgot')
      await submit('reset', forgot, '#forgot-form', { username: email })
      await mailed('mail of the reset', email, /new password/)

      const asked = authorizeUrl(server, web, { prompt: 'create' }).search
      const signUp = await follow('create', await ask('create', 'GET', `/base/authorize${asked}`))
      await submit('sign-up', signUp, '#sign-up-form', { email: `up.${email}` })
      await mailed('mail of the sign-up', `up.${email}`, /Finish your account/)
      const invited = { email: `in.${email}`, name: undefined, language: 'en' } as const
      await server.core.invitations.create(tenant, invited)
      await mailed('mail of the invitation', invited.email, /invited/)
      jar.clear()

      const login = await follow('account', await ask('account', 'GET', '/base/account'))
      const fields = { username: email, password: alice.password }
      await submit('sign-in', login, '#login-form', fields)
      await ask('sessions', 'GET', '/base/account/sessions')
      const address = await ask('address', 'GET', '/base/account/email')
      await submit('change', address, '#email-form', { new_email: `new.${email}` })
      await mailed('mail of the change', `new.${email}`, /address/)
      await ask('sign-out page', 'GET', '/base/logout')
      const account = await ask('account, signed in', 'GET', '/base/account')
      await submit('sign-out', account, '#sign-out-form', {})

      const { id } = owner
      const key = await givePasskey(server.core, { id, email })
      for (const origin of [`https://${evil}`, 'https://auth.example.com']) {
        const page = await follow('passkey', await ask('passkey', 'GET', '/base/account'))
        const credential = showPasskey(key, optionsOf(page.body), origin)
        await submit(`passkey at ${origin}`, page, '#passkey-form', { credential })
      }
      return said
    }

    it('the compared answers cover redirects, cookies, challenges, mails and passkeys', () => {
      const { sessions = '', authorize = '', device = '' } = usual
      expect(sessions)
        .to.match(/^HTTP\/1.1 200 /)
        .and.include('127.0.0.1')
      expect(authorize)
        .to.match(/^HTTP\/1.1 303 /)
        .and.match(/set-cookie: __Secure-.*path=\/base\/.*secure/i)
      expect(device, device).to.include('"verification_uri":"https://auth.example.com/base/device"')
      expect(usual['401 of userinfo']).to.match(/^HTTP\/1.1 401 .*www-authenticate: Bearer/is)
      expect(usual['401 of token']).to.match(/^HTTP\/1.1 401 .*www-authenticate: Basic/is)
      expect(usual['sign-in']).to.match(/set-cookie: __Secure-/i)
      expect(usual['sign-out page']).to.include('logout-form')
      expect(usual['mail of the reset']).to.match(
        /^https:\/\/auth\.example\.com\/base\/password\/reset\?token=…$/m,
      )
      expect(usual['create, redirect 3']).to.include('action="/base/sign-up"')
      for (const kind of ['sign-up', 'invitation']) {
        expect(usual[`mail of the ${kind}`]).to.match(
          /^https:\/\/auth\.example\.com\/base\/sign-up\/finish\?token=…$/m,
        )
      }
      const { rpId } = optionsOf(usual['passkey, redirect 2'] ?? '')
      expect(rpId).to.equal('auth.example.com')
      expect(usual[`passkey at https://${evil}`]).to.match(/^HTTP\/1.1 403 /)
      expect(usual['passkey at https://auth.example.com']).to.match(/^HTTP\/1.1 303 /)
      expect(usual['mail of the change']).to.match(
        /^https:\/\/auth\.example\.com\/base\/email\/confirm\?token=…$/m,
      )
    })

    for (const [what, hostility] of Object.entries(hostile)) {
      const isHeard = trustProxy !== '' && what === 'X-Forwarded-For'
      it(`${what} changes ${isHeard ? 'the client address shown, and nothing else' : 'nothing'}`, async () => {
        const said = await story(hostility)
        for (const [step, answer] of Object.entries(said)) {
          const expected = usual[step] ?? ''
          expect(answer, step).to.equal(
            isHeard ? expected.replaceAll('127.0.0.1', claimed) : expected,
          )
        }
        expect(Object.keys(said)).to.deep.equal(Object.keys(usual))
      })
    }

    it('a second Host is refused, whichever comes first (RFC 9112 §3.2)', async () => {
      for (const hosts of [
        [evil, 'auth.example.com'],
        ['auth.example.com', evil],
      ]) {
        const [host = '', second = ''] = hosts
        const answer = await send('GET', '/base/account', { host, lines: [`Host: ${second}`] })
        expect(answer.status, answer.head).to.equal(400)
        expect(answer.head + answer.body).not.to.include(evil)
      }
    })
  })
}
