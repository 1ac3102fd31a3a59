import { expect } from 'chai'
import { checkedMetadata } from '../../src/clients/client.ts'
import { receiverOf, redirectUriFault, webUriFault } from '../../src/clients/redirect-uri.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'

describe('redirect URI at registration (C1)', () => {
  const sound: Array<[uri: string, type: 'web' | 'native']> = [
    ['https://app.example.com/callback', 'web'],
    ['https://app.example.com/callback?tenant=a', 'web'],
    ['https://app.example.com:8443/', 'web'],
    ['http://localhost:3000/callback', 'web'],
    ['http://127.0.0.1/callback', 'web'],
    ['http://[::1]:9/callback', 'native'],
    ['com.example.app:/callback', 'native'],
    ['https://app.example.com/callback', 'native'],
  ]
  for (const [uri, type] of sound) {
    it(`accepts ${uri} for a ${type} client`, () => {
      expect(redirectUriFault(uri, type)).to.equal(undefined)
    })
  }

  const faulty: Array<[uri: string, type: 'web' | 'native', fault: RegExp]> = [
    ['', 'web', /absolute/],
    ['/callback', 'web', /absolute/],
    ['app.example.com/callback', 'web', /absolute/],
    [' https://app.example.com/', 'web', /absolute/],
    ['https://app.example.com/\n', 'web', /absolute/],
    [`https://app.example.com/${'x'.repeat(2048)}`, 'web', /2048/],
    ['https://app.example.com/#', 'web', /fragment/],
    ['https://app.example.com/cb#part', 'web', /fragment/],
    ['https://*.example.com/', 'web', /wildcard/],
    ['https://app.example.com/*', 'native', /wildcard/],
    ['https://user@app.example.com/', 'web', /user information/],
    ['https://user:pass@app.example.com/', 'web', /user information/],
    ['http://app.example.com/', 'web', /https unless/],
    ['http://localhost.example.com/', 'web', /https unless/],
    ['http://127.0.0.2.nip.io/', 'native', /https unless/],
    ['javascript:alert(1)', 'web', /https/],
    ['data:text/html,x', 'web', /https/],
    ['com.example.app:/callback', 'web', /native/],
    ['myapp:/callback', 'native', /RFC 8252/],
    ['javascript:alert(1)', 'native', /RFC 8252/],
  ]
  for (const [uri, type, fault] of faulty) {
    it(`refuses ${JSON.stringify(uri.slice(0, 50))} for a ${type} client`, () => {
      expect(redirectUriFault(uri, type)).to.match(fault)
    })
  }

  it('drops user information from other stored URLs of a client, so that it stays usable', () => {
    const metadata = {
      client_id: 'web',
      redirect_uris: ['https://a.example/callback'],
      logo_uri: 'https://u:pw@a.example/logo.png?a=@',
      jwks_uri: 'https://@a.example/keys',
      tos_uri: 'https://a.example',
    }
    const client = { tenant: defaultTenant, clientId: 'web', metadata, secrets: [] }
    expect(checkedMetadata(client).data).to.include({
      logo_uri: 'https://a.example/logo.png?a=@',
      jwks_uri: 'https://a.example/keys',
      tos_uri: 'https://a.example',
    })
  })

  it('of a private-use scheme is described by the scheme, whatever its host (RFC 8252 §7.1)', () => {
    for (const [uri, receiver] of [
      ['https://app.example.com:8443/callback', 'app.example.com:8443'],
      ['http://127.0.0.1:9/callback', '127.0.0.1:9'],
      ['com.example.app:/callback', 'com.example.app:'],
      ['com.example.app://bank.example/callback', 'com.example.app:'],
      ['bank.example:/callback', 'bank.example:'],
    ]) {
      expect(receiverOf(uri as string)).to.equal(receiver)
    }
  })

  it('has the same rules as links on pages: https or loopback', () => {
    for (const uri of ['https://example.com/terms', 'http://localhost:3000/logo.svg']) {
      expect(webUriFault(uri), uri).to.equal(undefined)
    }
    for (const uri of [
      'http://example.com/',
      'javascript:alert(1)',
      'data:text/html,x',
      'terms',
      '',
    ]) {
      expect(webUriFault(uri), uri).to.match(/https URL/)
    }
    for (const address of ['user@', 'user:pw@', ':pw@', '@', 'trusted.example:443@']) {
      for (const start of ['https://', 'https:\\\\', 'https:']) {
        const uri = `${start}${address}app.example.com/logo.svg`
        if (start !== 'https://' && address === '@') continue
        expect(webUriFault(uri), uri).to.equal(
          'must not have user information (user:password@) before the host of "https://app.example.com/logo.svg"',
        )
      }
    }
    expect(webUriFault('https://example.com/@alice?mail=a@b#@')).to.equal(undefined)
  })
})
