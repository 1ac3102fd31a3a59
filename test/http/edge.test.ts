import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { certificateOf, createEdge, pathOf } from '../../src/http/edge.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { selfSigned } from '../support/certificates.ts'
import { exchange, type Page } from '../support/http-exchange.ts'

const evil = 'attacker.example'
for (const trustProxy of ['', '127.0.0.1/32']) {
  describe(`http/edge, ${trustProxy ? 'behind a trusted proxy' : 'without a proxy'} (C17, C29, ASVS 4.1.3)`, () => {
    const server = booted(anyStorage, {
      ISSUER: 'https://auth.example.com/base',
      HOST: '127.0.0.1',
      TRUST_PROXY: trustProxy,
    })
    let at: URL
    before(async () => {
      at = new URL(`http://localhost:${server.core.config.port}`)
    })

    const ask = (target: string, headers: Record<string, string>): Promise<Page> =>
      exchange({
        method: 'GET',
        url: new URL(at.origin + target),
        headers: { accept: 'text/html', ...headers },
      })

    /** Asserts that an answer shows nothing of the address it was requested at. */
    function expectOurs(page: Page): void {
      const said = `${page.body} ${[...page.headers].flat().join(' ')}`
      for (const wrong of [evil, 'ftp:', ':666', 'localhost:', '127.0.0.1']) {
        expect(said, page.url.pathname).not.to.include(wrong)
      }
      const location = page.headers.get('location')
      if (location !== null) expect(location).to.match(/^\/base\/(?!\/)/)
    }

    it('uses only the path of the absolute form of a request', async () => {
      const socket = connect({ port: server.core.config.port, host: '127.0.0.1' })
      const target = `http://${evil}/base/.well-known/openid-configuration`
      socket.write(`GET ${target} HTTP/1.1\r\nHost: ${evil}\r\nConnection: close\r\n\r\n`)
      const answer = await text(socket)
      expect(answer)
        .to.match(/^HTTP\/1.1 200 /)
        .and.include('"issuer":"https://auth.example.com/base"')
      expect(answer).not.to.include(evil)
    })

    it('answers 404 for paths that merely resemble existing ones', async () => {
      for (const path of ['//account', '/base//account', '/base/account;x', '/base/%61ccount%00']) {
        const page = await ask(path, {})
        expect(page.status, path).to.equal(404)
        expectOurs(page)
      }
    })

    it(`logs ${trustProxy ? 'the right-most address that is not a trusted proxy' : 'the peer'}`, async () => {
      await ask('/base/nowhere', {
        'x-forwarded-for': '6.6.6.6, 203.0.113.9',
        'x-real-ip': '6.6.6.6',
      })
      const seen = server
        .logged()
        .split('\n')
        .filter((line) => line.includes('"msg":"request"'))
        .map((line) => (JSON.parse(line) as { ip: string }).ip)
      expect(seen.at(-1)).to.equal(trustProxy ? '203.0.113.9' : '127.0.0.1')
      expect(seen).not.to.include('6.6.6.6')
    })
  })
}

const warnings: unknown[] = []
const edgeOf = (settings: Partial<Parameters<typeof createEdge>[0]>) =>
  createEdge(
    {
      issuer: 'https://auth.example.com',
      trustProxy: [],
      mtlsOrigin: undefined,
      mtlsCertificateHeader: undefined,
      ...settings,
    },
    { warn: (line: unknown) => void warnings.push(line) },
  )

describe('http/edge: an incoming request', () => {
  const call = (peer: string, forwardedFor: string | undefined, trustProxy: string[]): string =>
    edgeOf({ trustProxy }).enter({
      url: '/',
      headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
      socket: { remoteAddress: peer },
    } as unknown as IncomingMessage)

  const proxies = ['10.0.0.0/8', 'fd00::/8']
  for (const [peer, forwarded, caller] of [
    ['203.0.113.1', '6.6.6.6', '203.0.113.1'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '6.6.6.6, 203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '6.6.6.6, 203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', 'unknown, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '203.0.113.9:1234', '203.0.113.9'],
    ['10.0.0.1', '6.6.6.6, 203.0.113.9:1234', '203.0.113.9'],
    ['10.0.0.1', '[2001:db8::9]:1234', '2001:db8::9'],
    ['10.0.0.1', '6.6.6.6, 1:2:3', '10.0.0.1'],
    ['fe80::1%eth0', '6.6.6.6', 'fe80::1'],
    ['10.0.0.1', "'; drop table", '10.0.0.1'],
    ['::ffff:10.0.0.1', '::ffff:203.0.113.9', '203.0.113.9'],
    ['10.0.0.1', '::FFFF:cb00:7109', '203.0.113.9'],
    ['10.0.0.1', '0:0:0:0:0:ffff:203.0.113.9', '203.0.113.9'],
    ['fd00::1', '2001:db8::9', '2001:db8::9'],
    ['fd00::1', '2001:0DB8:0000:00::9', '2001:db8::9'],
    [
      'fd00::1',
      '1111:2222:3333:4444:5555:6666:123.123.123.123%eth0',
      '1111:2222:3333:4444:5555:6666:7b7b:7b7b',
    ],
  ] as const) {
    it(`comes from ${caller} with peer ${peer} and X-Forwarded-For "${forwarded ?? ''}" (CVE-2023-36456 class)`, () => {
      expect(call(peer, forwarded, proxies)).to.equal(caller)
    })
  }

  it('loses all forwarding headers, from any peer, and no others', () => {
    const dropped = `forwarded x-forwarded-for x_forwarded_host x-forwarded-anything x-real-ip x_real_ip
      x-original-host x-client-ip true-client-ip true_client_ip client-cert client-cert-chain`
    const kept = ['accept', 'cookie', 'content-type', 'traceparent', 'transfer-encoding', 'x-host']
    const edge = edgeOf({ trustProxy: ['10.0.0.0/8'] })
    for (const peer of ['203.0.113.1', '203.0.113.1', '10.0.0.1', '10.0.0.1']) {
      const headers = Object.fromEntries(
        [...dropped.split(/\s+/), ...kept].map((name) => [name, '192.0.2.1']),
      )
      const request = { url: '/', headers, socket: { remoteAddress: peer } }
      const caller = edge.enter(request as unknown as IncomingMessage)
      expect(caller).to.equal(peer === '10.0.0.1' ? '192.0.2.1' : peer)
      const own = { host: 'auth.example.com', 'x-forwarded-host': 'auth.example.com' }
      const all = { ...own, 'x-forwarded-proto': 'https', 'x-forwarded-for': caller }
      for (const name of kept) Object.assign(all, { [name]: '192.0.2.1' })
      expect(headers).to.deep.equal(all)
    }
  })

  it('has MTLS_ORIGIN as its host only with a certificate (P-055)', async () => {
    const { cert } = await selfSigned('CN=app')
    const der = `:${new X509Certificate(cert).raw.toString('base64')}:`
    const edge = edgeOf({
      trustProxy: ['10.0.0.0/8'],
      mtlsOrigin: 'https://mtls.example.com:8443',
      mtlsCertificateHeader: 'client-cert',
    })
    for (const [peer, header, mutual, host] of [
      ['10.0.0.1', der, false, 'mtls.example.com:8443'],
      ['10.0.0.1', ':x:', false, 'auth.example.com'],
      ['10.0.0.1', undefined, false, 'auth.example.com'],
      ['203.0.113.1', der, false, 'auth.example.com'],
      ['203.0.113.1', der, true, 'mtls.example.com:8443'],
    ] as const) {
      const request = {
        url: '/token',
        headers: { host: 'x', ...(header ? { 'client-cert': header } : {}) } as Record<
          string,
          string
        >,
        socket: { remoteAddress: peer },
      } as unknown as IncomingMessage
      edge.enter(request, mutual)
      expect(request.headers.host, `${peer} ${header}`).to.equal(host)
      expect(request.headers).not.to.have.property('client-cert')
      expect(certificateOf(request) !== undefined).to.equal(peer === '10.0.0.1' && header === der)
    }
    expect(warnings).to.have.length(1)
  })

  it('has the path of the absolute form', () => {
    for (const [target, path] of [
      ['http://attacker.example/jwks?a=1', '/jwks?a=1'],
      ['https://attacker.example', '/'],
      ['*', '/'],
      ['/jwks', '/jwks'],
    ] as const) {
      expect(pathOf(target)).to.equal(path)
    }
  })
})
