import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { FetchError } from '../../src/outgoing/fault.ts'
import { createFetch } from '../../src/outgoing/fetch.ts'
import { temporaryFolder } from '../support/child.ts'
import { errorOf, silentLog } from '../support/cores.ts'
import { watchHoldUps } from '../support/hold-ups.ts'

/** A resolver with these answers in order; the last one is repeated. */
function names(...answers: string[][]) {
  const asked: string[] = []
  const resolve = async (hostname: string) => {
    asked.push(hostname)
    return answers[Math.min(asked.length, answers.length) - 1] ?? []
  }
  return { asked, resolve }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await errorOf(work)
  expect(error, error.stack ?? '').to.be.instanceOf(FetchError)
  return (error as FetchError).code
}

describe('outgoing requests (C11)', () => {
  const strict = { allowFetchTo: [], allowLoopbackFetch: false }
  const local = { allowFetchTo: [], allowLoopbackFetch: true }
  const servers: Server[] = []
  const sockets: Socket[] = []
  let connections = 0

  async function listen(server: Server): Promise<number> {
    server.on('connection', (socket) => {
      connections++
      sockets.push(socket)
      socket.on('error', () => undefined)
    })
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
  const serve = async (listener: RequestListener) =>
    `http://localhost:${await listen(createServer(listener))}`
  beforeEach(() => {
    connections = 0
  })
  after(() => {
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
  })

  describe('are refused before any connection', () => {
    let port: number
    before(async () => {
      port = await listen(createServer((_request, response) => response.end('canary')))
    })

    const hostile: Array<[string, string]> = [
      ['http://example.com/', 'url_refused'],
      ['ftp://example.com/', 'url_refused'],
      ['file:///etc/passwd', 'url_refused'],
      ['data:text/plain,x', 'url_refused'],
      ['javascript:alert(1)', 'url_refused'],
      ['gopher://127.0.0.1:PORT/', 'url_refused'],
      ['//127.0.0.1:PORT/', 'url_refused'],
      ['/callback', 'url_refused'],
      ['', 'url_refused'],
      ['https://', 'url_refused'],
      ['https://256.256.256.256/', 'url_refused'],
      ['https://[::1', 'url_refused'],
      ['https://[fe80::1%25eth0]/', 'url_refused'],
      ['https://public.example@127.0.0.1:PORT/', 'url_refused'],
      ['https://user:password@public.example/', 'url_refused'],
      ['https://:@127.0.0.1:PORT/', 'address_refused'],
      ['https://127.0.0.1:PORT/', 'address_refused'],
      ['HTTPS://127.0.0.1:PORT/', 'address_refused'],
      ['https:127.0.0.1:PORT/', 'address_refused'],
      ['https:\\\\127.0.0.1:PORT/', 'address_refused'],
      ['https://2130706433:PORT/', 'address_refused'],
      ['https://0x7f000001:PORT/', 'address_refused'],
      ['https://0x7f.0.0.1:PORT/', 'address_refused'],
      ['https://0177.0.0.1:PORT/', 'address_refused'],
      ['https://017700000001:PORT/', 'address_refused'],
      ['https://127.1:PORT/', 'address_refused'],
      ['https://127.0.1:PORT/', 'address_refused'],
      ['https://0:PORT/', 'address_refused'],
      ['https://0.0.0.0:PORT/', 'address_refused'],
      ['https://127.0.0.1.:PORT/', 'address_refused'],
      ['https://１２７.０.０.１:PORT/', 'address_refused'],
      ['https://127。0。0。1:PORT/', 'address_refused'],
      ['https://①②⑦.0.0.1:PORT/', 'address_refused'],
      ['https://%31%32%37.0.0.1:PORT/', 'address_refused'],
      ['https://10.0.0.1/', 'address_refused'],
      ['https://169.254.169.254/latest/meta-data/', 'address_refused'],
      ['https://0xa9fea9fe/', 'address_refused'],
      ['https://2852039166/', 'address_refused'],
      ['https://[::1]:PORT/', 'address_refused'],
      ['https://[0:0:0:0:0:0:0:1]:PORT/', 'address_refused'],
      ['https://[::]:PORT/', 'address_refused'],
      ['https://[::ffff:127.0.0.1]:PORT/', 'address_refused'],
      ['https://[::ffff:7f00:1]:PORT/', 'address_refused'],
      ['https://[::127.0.0.1]:PORT/', 'address_refused'],
      ['https://[64:ff9b::127.0.0.1]:PORT/', 'address_refused'],
      ['https://[2002:7f00:1::]:PORT/', 'address_refused'],
      ['https://[fd00:ec2::254]/', 'address_refused'],
      ['https://[fe80::1]/', 'address_refused'],
      ['https://localhost:PORT/', 'address_refused'],
      ['https://LOCALHOST:PORT/', 'address_refused'],
      ['https://localhost.:PORT/', 'address_refused'],
      ['https://a.localhost:PORT/', 'address_refused'],
      ['https://localho\tst:PORT/', 'address_refused'],
    ]
    for (const [url, code] of hostile) {
      it(`${JSON.stringify(url)}: ${code}`, async () => {
        const { asked, resolve } = names(['127.0.0.1'])
        const fetch = createFetch(strict, silentLog, resolve)
        expect(await codeOf(fetch(url.replace('PORT', String(port))))).to.equal(code)
        expect(asked, 'DNS queries').to.deep.equal([])
        expect(connections).to.equal(0)
      })
    }

    for (const addresses of [
      ['127.0.0.1'],
      ['::1'],
      ['::ffff:127.0.0.1'],
      ['169.254.169.254'],
      ['93.184.216.34', '10.0.0.1'],
      ['2606:4700::1111', 'fe80::1'],
      ['93.184.216.34', '2002:7f00:1::'],
    ]) {
      it(`a name that resolves to ${addresses.join(' and ')}`, async () => {
        const fetch = createFetch(strict, silentLog, names(addresses).resolve)
        expect(await codeOf(fetch(`https://rp.example:${port}/`))).to.equal('address_refused')
        expect(connections).to.equal(0)
      })
    }

    it('an unknown name, also with the real resolver', async () => {
      const fetch = createFetch(strict, silentLog, names([]).resolve)
      expect(await codeOf(fetch('https://rp.example/'))).to.equal('name_not_found')
      expect(await codeOf(createFetch(strict, silentLog)('https://rp.invalid/'))).to.equal(
        'name_not_found',
      )
    })

    it('this machine over https, with the setting that allows it', async () => {
      const error = await errorOf(createFetch(strict, silentLog)('https://localhost/'))
      expect(error.message).to.equal(
        'expected a public address: localhost is at 127.0.0.1; for development ALLOW_LOOPBACK_FETCH=on allows this machine',
      )
      const { resolve } = names(['10.0.0.1'])
      const other = await errorOf(createFetch(strict, silentLog, resolve)('https://rp.example/'))
      expect(other.message).to.equal('expected a public address: rp.example is at 10.0.0.1')
    })

    it('a public address without https, even in tests (K-60)', async () => {
      const fetch = createFetch(local, silentLog, names(['93.184.216.34']).resolve)
      expect(await codeOf(fetch('http://rp.example/'))).to.equal('address_refused')
      const toPrivate = createFetch(local, silentLog, names(['10.0.0.1']).resolve)
      expect(await codeOf(toPrivate('https://rp.example/'))).to.equal('address_refused')
    })

    it('an allowed network without https', async () => {
      const rules = { ...strict, allowFetchTo: ['127.0.0.0/8'] }
      const fetch = createFetch(rules, silentLog)
      expect(await codeOf(fetch(`http://127.0.0.1:${port}/`))).to.equal('url_refused')
      expect(connections).to.equal(0)
      // Allowed, so the server connects; the canary speaks no TLS.
      expect(await codeOf(fetch(`https://127.0.0.1:${port}/`))).to.equal('connection_failed')
      expect(connections).to.equal(1)
    })
  })

  it('connect to the address that was checked, whatever the name resolves to next', async () => {
    const url = await serve((_request, response) => response.end('here'))
    const { asked, resolve } = names(['127.0.0.1'], ['127.0.0.99'])
    const fetch = createFetch(local, silentLog, resolve)
    const response = await fetch(url.replace('localhost', 'rp.example'))
    expect(await response.text()).to.equal('here')
    expect(asked).to.deep.equal(['rp.example'])
  })

  it('send the given method, headers and body to the host of the URL', async () => {
    const url = await serve((request, response) => {
      const parts: Buffer[] = []
      request.on('data', (part: Buffer) => parts.push(part))
      request.on('end', () => {
        response.setHeader('x-seen', JSON.stringify([request.method, request.headers]))
        response.setHeader('set-cookie', ['a=1', 'b=2'])
        response.writeHead(201).end(Buffer.concat(parts))
      })
    })
    const response = await createFetch(local, silentLog)(url, {
      method: 'POST',
      headers: { host: 'evil.example', 'x-own': 'y' },
      body: new URLSearchParams({ a: 'ä&b' }),
    })
    expect(response.status).to.equal(201)
    expect(await response.text()).to.equal('a=%C3%A4%26b')
    expect(response.headers.getSetCookie()).to.deep.equal(['a=1', 'b=2'])
    const [method, headers] = JSON.parse(response.headers.get('x-seen') ?? '[]')
    expect(method).to.equal('POST')
    expect(headers).to.include({
      host: new URL(url).host,
      'x-own': 'y',
      'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
      connection: 'close',
    })
    expect(headers).not.to.have.property('transfer-encoding')
  })

  it('do not follow redirects', async () => {
    const canary = await serve((_request, response) => response.end('canary'))
    const url = await serve((_request, response) =>
      response.writeHead(307, { location: canary }).end(),
    )
    const response = await createFetch(local, silentLog)(url, { redirect: 'follow' })
    expect(response.status).to.equal(307)
    expect(connections).to.equal(1)
  })

  it('limit the size of the response', async () => {
    const url = await serve((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', more)
      more()
    })
    expect(await codeOf(createFetch(local, silentLog)(url))).to.equal('answer_too_large')
  })

  it('do not decompress the response', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('no gzip'),
    )
    expect(await (await createFetch(local, silentLog)(url)).text()).to.equal('no gzip')
  })

  it('time out whatever is slow: resolver, handshake, headers, body', async () => {
    const mute = await listen(createTcpServer(() => undefined))
    const drip = await serve((_request, response) => {
      const timer = setInterval(() => response.write('.'), 100)
      response.on('close', () => clearInterval(timer))
    })
    const dripOfHeaders = await listen(
      createTcpServer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n')
        const timer = setInterval(() => socket.write('x-a: b\r\n'), 100)
        socket.on('close', () => clearInterval(timer))
      }),
    )
    const fetch = createFetch(local, silentLog)
    const never = createFetch(local, silentLog, () => new Promise(() => undefined))
    const [startedAt, heldUp] = [performance.now(), watchHoldUps()]
    const codes = await Promise.all([
      codeOf(never('https://rp.example/')),
      codeOf(fetch(`https://127.0.0.1:${mute}/`)),
      codeOf(fetch(`http://127.0.0.1:${mute}/`)),
      codeOf(fetch(`http://127.0.0.1:${dripOfHeaders}/`)),
      codeOf(fetch(drip)),
    ])
    expect(codes).to.deep.equal(Array.from({ length: 5 }, () => 'timed_out'))
    expect(performance.now() - startedAt).to.be.within(4900, 8000 + heldUp())
    const hurried = fetch(drip, { signal: AbortSignal.timeout(100) })
    expect(await codeOf(hurried)).to.equal('timed_out')
  })

  it('fail with a code for the reason', async () => {
    const fetch = createFetch(local, silentLog)
    const closed = createTcpServer()
    const port = await listen(closed)
    closed.close()
    expect(await codeOf(fetch(`http://127.0.0.1:${port}/`))).to.equal('connection_failed')
    const rude = await listen(createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')))
    expect(await codeOf(fetch(`http://127.0.0.1:${rude}/`))).to.equal('answer_malformed')
    const strange = await listen(
      createTcpServer((socket) => socket.end('HTTP/1.1 999 Hm\r\ncontent-length: 0\r\n\r\n')),
    )
    expect(await codeOf(fetch(`http://127.0.0.1:${strange}/`))).to.equal('answer_malformed')
    const other = 'connection: upgrade\r\nupgrade: websocket\r\n\r\n'
    const switching = await listen(
      createTcpServer((socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\n${other}`)),
    )
    expect(await codeOf(fetch(`http://127.0.0.1:${switching}/`))).to.equal('answer_malformed')
  })

  it('accept only trusted certificates for the right name, whatever the environment', async () => {
    const folder = await temporaryFolder('certificate')
    const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    const files = ['-keyout', keyFile, '-out', certFile]
    await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...subject, ...files])
    const [key, cert] = await Promise.all([readFile(keyFile), readFile(certFile)])
    let requests = 0
    const port = await listen(
      createHttpsServer({ key, cert }, (_request, response) => {
        requests++
        response.end()
      }),
    )
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    const trusted = getCACertificates()
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const url = `https://localhost:${port}/`
      expect(await codeOf(createFetch(local, silentLog)(url))).to.equal('certificate_refused')
      expect(requests).to.equal(0)

      setDefaultCACertificates([...trusted, cert.toString()])
      expect((await createFetch(local, silentLog)(url)).status).to.equal(200)
      // The certificate is checked against the name, not the pinned address.
      const other = createFetch(local, silentLog, names(['127.0.0.1']).resolve)
      expect(await codeOf(other(`https://rp.example:${port}/`))).to.equal('certificate_refused')
      expect(await codeOf(other(`https://127.0.0.1:${port}/`))).to.equal('certificate_refused')
      expect(requests).to.equal(1)
    } finally {
      setDefaultCACertificates(trusted)
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
    }
  })

  it('ignore proxies of the environment', async () => {
    const url = await serve((_request, response) => response.end('direct'))
    const proxy = await serve((_request, response) => response.end('proxy'))
    const proxied = { HTTP_PROXY: proxy, http_proxy: proxy, NODE_USE_ENV_PROXY: '1' }
    const kept = { ...process.env }
    Object.assign(process.env, proxied)
    try {
      expect(await (await createFetch(local, silentLog)(url)).text()).to.equal('direct')
    } finally {
      // Replacing `process.env` itself would not affect libraries.
      for (const name of Object.keys(proxied)) {
        if (kept[name] === undefined) delete process.env[name]
        else process.env[name] = kept[name]
      }
    }
  })
})
