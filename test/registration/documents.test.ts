import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { createFetch } from '../../src/outgoing/fetch.ts'
import { declarationIn, membersIn } from '../../src/registration/document.ts'
import { fetchDocument } from '../../src/registration/document-fetch.ts'
import { documentUrlFault } from '../../src/registration/document-url.ts'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { errorOf, refusalOf, silentLog } from '../support/cores.ts'
import { type DocumentHost, startDocumentHost } from '../support/document-host.ts'
import { watchHoldUps } from '../support/hold-ups.ts'

const strict = { allowLoopback: false }

describe('the address of a client metadata document (P-083)', () => {
  for (const url of [
    'https://app.example.com/client.json',
    'https://app.example.com:8443/a/b',
    'https://app.example.com/',
    'https://app.example.com/client?v=1',
    'https://xn--bcher-kva.example/c',
  ]) {
    it(`may be ${url}`, () => expect(documentUrlFault(url, strict)).to.equal(undefined))
  }

  for (const [url, said] of [
    ['http://app.example.com/c', 'https'],
    ['http://localhost/c', 'https'],
    ['HTTPS://app.example.com/c', 'written as'],
    ['https://APP.example.com/c', 'written as'],
    ['https://app.example.com', 'written as'],
    ['https:app.example.com/c', 'written as'],
    ['https:///app.example.com/c', 'written as'],
    ['https:\\\\app.example.com\\c', 'written as'],
    ['https://app.example.com:443/c', 'written as'],
    ['https://app.example.com/a/../c', 'written as'],
    ['https://app.example.com/./c', 'written as'],
    ['https://app.example.com/%2e%2e/c', 'written as'],
    ['https://app.example.com/.%2E/c', 'written as'],
    ['https://app.example.com/a b', 'written as'],
    ['https://app.example.com/\tc', 'URL'],
    ['https://0x7f.1/c', 'written as'],
    ['https://2130706433/c', 'written as'],
    ['https://bücher.example/c', 'URL'],
    ['https://a@app.example.com/c', 'user information'],
    ['https://@app.example.com/c', 'user information'],
    ['https://a:b@app.example.com/c', 'user information'],
    ['https://trusted.example.com@evil.example/c', 'user information'],
    ['https://app.example.com/c#f', 'fragment'],
    ['https://app.example.com/c#', 'fragment'],
    ['https://*.example.com/c', 'wildcard'],
    ['https://app.example.com./c', 'dot'],
    ['ftp://app.example.com/c', 'https'],
    ['data:application/json,{}', 'https'],
    ['https://', 'URL'],
    [`https://app.example.com/${'x'.repeat(255)}`, '255'],
  ] as const) {
    it(`may not be ${JSON.stringify(url.slice(0, 60))}`, () => {
      expect(documentUrlFault(url, strict)).to.contain(said)
    })
  }

  it('may be http on loopback in tests alone (K-60)', () => {
    const local = { allowLoopback: true }
    expect(documentUrlFault('http://localhost:1234/c', local)).to.equal(undefined)
    expect(documentUrlFault('http://app.example.com/c', local)).to.contain('https')
  })
})

describe('what a client metadata document says', () => {
  const url = 'https://app.example.com/client.json'
  const sound = { client_id: url, redirect_uris: ['https://app.example.com/callback'] }
  const policy = registrationPolicy.parse({ scopes: ['openid', 'tools:use'] })
  const declared = (document: unknown, own = policy) =>
    declarationIn(membersIn(document, url), url, own)
  async function faultOf(document: unknown): Promise<string> {
    const error = await refusalOf((async () => declared(document))())
    return error.publicMessage
  }

  it('is of this address, character by character, and a JSON object (P-084)', async () => {
    for (const other of [undefined, null, 1, url.toUpperCase(), `${url}/`, [url]]) {
      expect(await faultOf({ ...sound, client_id: other })).to.contain('client_id')
    }
    for (const other of [null, 'x', 1, [sound]]) {
      expect(await faultOf(other)).to.contain('JSON object')
    }
    expect(await faultOf(Object.create(sound))).to.contain('client_id')
  })

  it('has no secrets, and no way to authenticate that needs one (P-085)', async () => {
    for (const [member, value] of [
      ['client_secret', 'x'],
      ['client_secret', null],
      ['client_secret_expires_at', 0],
      ['token_endpoint_auth_method', 'client_secret_basic'],
      ['token_endpoint_auth_method', 'client_secret_post'],
      ['token_endpoint_auth_method', 'client_secret_jwt'],
      ['token_endpoint_auth_method', 'tls_client_auth'],
      ['token_endpoint_auth_method', ['none']],
    ] as const) {
      expect(await faultOf({ ...sound, [member]: value })).to.contain(member)
    }
    expect(declared(sound)).to.include({ token_endpoint_auth_method: 'none' })
  })

  it('is taken as far as the policy goes; what it says to other servers is left out', () => {
    const made = declared({
      ...sound,
      grant_types: ['authorization_code', 'urn:example:other', 'client_credentials'],
      response_types: ['code', 'token'],
      scope: 'openid tools:use orders:write',
      require_mfa: true,
      resources: ['https://admin.example.com'],
      errors_need_sign_in: false,
      sector_identifier_uri: 'https://other.example/sector',
      subject_type: 'pairwise',
      software_id: 'x',
    })
    expect(made).to.deep.equal({
      ...sound,
      grant_types: ['authorization_code'],
      response_types: ['code'],
      scope: 'openid tools:use',
      token_endpoint_auth_method: 'none',
    })
    expect(declared(sound)).to.include({ scope: 'openid tools:use' })
  })

  it('lives on a device when it is public and is answered on loopback (K-08)', () => {
    const redirect_uris = ['http://127.0.0.1/callback']
    expect(declared({ ...sound, redirect_uris })).to.include({ application_type: 'native' })
    expect(declared({ ...sound, redirect_uris, application_type: 'web' })).to.include({
      application_type: 'web',
    })
    expect(declared(sound)).not.to.have.property('application_type')
  })

  it('names no 1,500 redirect URIs, no strange characters, no other hosts than the policy has', async () => {
    const many = Array.from({ length: 1500 }, (_, i) => `https://app.example.com/${i}`)
    expect(await faultOf({ ...sound, redirect_uris: many })).to.contain('at most 20')
    expect(await faultOf({ ...sound, client_name: 'a\u0000' })).to.contain('U+0000')
    expect(await faultOf({ ...sound, client_name: 'a\ud800' })).to.contain('half a surrogate pair')
    expect(await faultOf({ ...sound, client_name: 'a\u202eb' })).to.contain('invisible')
    const narrow = registrationPolicy.parse({ hosts: ['other.example'] })
    const error = await refusalOf((async () => declared(sound, narrow))(), 'redirect_uri_invalid')
    expect(error.publicMessage).to.contain('other.example')
  })
})

describe('fetching a client metadata document', () => {
  let host: DocumentHost
  const local = { allowFetchTo: [], allowLoopbackFetch: true }
  const fetch = createFetch(local, silentLog)
  const json = { 'content-type': 'application/json' }

  before(async () => {
    host = await startDocumentHost()
  })
  after(() => host?.stop())

  let paths = 0
  const answered = (answer: (response: ServerResponse) => void) =>
    fetchDocument(fetch, host.answer(`/${paths++}`, answer))
  const invalid = (answer: (response: ServerResponse) => void) =>
    refusalOf(answered(answer), 'client_document_invalid')

  it('takes 200 alone, and follows no redirect (P-084)', async () => {
    const canary = host.publish('/canary')
    for (const status of [201, 203, 204, 206, 301, 302, 303, 307, 308, 401, 404, 410]) {
      const error = await invalid((response) =>
        response.writeHead(status, { ...json, location: canary }).end('{}'),
      )
      expect(error.detail).to.include({ expected: 'status 200', received: String(status) })
    }
    expect(host.asked.get('/canary')).to.equal(undefined)
    for (const status of [429, 500, 503]) {
      const error = await refusalOf(answered((response) => response.writeHead(status).end()))
      expect(error.code).to.equal('client_document_unavailable')
    }
  })

  it('takes JSON alone, as it is (P-088)', async () => {
    for (const type of ['text/html', 'text/plain', 'application/jsonp', 'application/xml', '']) {
      await invalid((response) => response.writeHead(200, { 'content-type': type }).end('{}'))
    }
    await invalid((response) => response.writeHead(200, json).end('{"client_id":'))
    const bomb = gzipSync(Buffer.alloc(4_000_000, ' '))
    expect(bomb.length).to.be.below(5120)
    await invalid((response) =>
      response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb),
    )
    const typed = await answered((response) =>
      response
        .writeHead(200, { 'content-type': 'application/client-id+json; charset=utf-8' })
        .end('{"a":1}'),
    )
    expect(typed.document).to.deep.equal({ a: 1 })
  })

  it('reads 5 KiB and no more, however deep, and waits no longer than 3 seconds (P-088)', async () => {
    const exact = `{"a":"${'x'.repeat(5120 - 8)}"}`
    const { document } = await answered((response) => response.writeHead(200, json).end(exact))
    expect(document).to.be.an('object')
    const error = await invalid((response) => response.writeHead(200, json).end(`${exact} `))
    expect(error.detail).to.have.property('received').that.contains('answer_too_large')
    const deep = await answered((response) =>
      response.writeHead(200, json).end('['.repeat(2560) + ']'.repeat(2560)),
    )
    await errorOf((async () => membersIn(deep.document, host.origin))())
    const endless = (response: ServerResponse) => {
      const timer = setInterval(() => response.write(' '), 100)
      response.writeHead(200, json).on('close', () => clearInterval(timer))
    }
    const [startedAt, heldUp] = [performance.now(), watchHoldUps()]
    const late = await refusalOf(answered(endless), 'client_document_unavailable')
    expect(late.detail).to.have.property('reason').that.contains('timed_out')
    expect(performance.now() - startedAt).to.be.below(4500 + heldUp())
  })

  it('connects to public addresses alone, whatever DNS says next (P-087)', async () => {
    const port = new URL(host.origin).port
    host.publish('/pinned')
    const nowhere = { allowFetchTo: [], allowLoopbackFetch: false }
    const answers = [['127.0.0.1'], ['10.0.0.1']]
    const rebinding = createFetch(local, silentLog, async () => answers.shift() ?? [])
    const pinned = await fetchDocument(rebinding, `http://rp.example:${port}/pinned`)
    expect(pinned.document).to.be.an('object')
    expect(answers, 'asked once').to.have.length(1)
    for (const address of [
      '127.0.0.1',
      '10.1.2.3',
      '169.254.169.254',
      '::1',
      'fd00::1',
      '::ffff:7f00:1',
    ]) {
      const strictly = createFetch(nowhere, silentLog, async () => ['93.184.216.34', address])
      const error = await refusalOf(
        fetchDocument(strictly, `https://rp.example:${port}/pinned`),
        'client_document_invalid',
      )
      expect(error.detail).to.have.property('received').that.contains('address_refused')
      expect(error.publicMessage).not.to.contain(address)
    }
    expect(host.asked.get('/pinned')).to.equal(1)
  })

  it('is kept as long as Cache-Control says, within bounds (P-086)', async () => {
    for (const [headers, seconds] of [
      [{}, 300],
      [{ 'cache-control': 'public, max-age=3600' }, 3600],
      [{ 'cache-control': 'max-age="3600"', age: '600' }, 3000],
      [{ 'cache-control': 'max-age=5' }, 60],
      [{ 'cache-control': 'max-age=99999999' }, 86_400],
      [{ 'cache-control': 'max-age=999999999999999999999' }, 86_400],
      [{ 'cache-control': 'no-store, max-age=3600' }, 60],
      [{ 'cache-control': 'no-cache' }, 60],
      [{ 'cache-control': 's-maxage=9000' }, 300],
    ] as const) {
      const { maxAge } = await answered((response) =>
        response.writeHead(200, { ...json, ...headers }).end('{}'),
      )
      expect(maxAge, JSON.stringify(headers)).to.equal(seconds)
    }
  })
})
