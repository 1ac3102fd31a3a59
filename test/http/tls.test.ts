import { X509Certificate } from 'node:crypto'
import type { Server } from 'node:net'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { expect } from 'chai'
import { watchConnections } from '../../src/http/connections.ts'
import { listen } from '../../src/http/listener.ts'
import { openTlsFiles } from '../../src/http/tls-files.ts'
import { noMetrics } from '../../src/metrics/metrics.ts'
import { textOf } from '../../src/metrics/text.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { type Authority, createAuthority, serverFiles, trust } from '../support/certificates.ts'
import { replaceFile, startChild } from '../support/child.ts'
import { silentLog } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, spa } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { exchange } from '../support/http-exchange.ts'
import { figure, scrape } from '../support/prometheus.ts'
import { tokensFor, userinfo } from '../support/protocol.ts'

describe('TLS in the process', () => {
  let authority: Authority
  let files: Awaited<ReturnType<typeof serverFiles>>
  let server: TestServer
  let metricsPort: string
  before(async () => {
    authority = await createAuthority()
    trust(authority)
    files = await serverFiles(authority)
    metricsPort = String(await freePort())
    server = await boot(anyStorage, {
      TLS_CERT_FILE: files.certFile,
      TLS_KEY_FILE: files.keyFile,
      METRICS_PORT: metricsPort,
      HEADERS_TIMEOUT: '3',
    })
    await furnish(server)
  })
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= server?.stop())
  after(() => stop())

  /** What the peer presents in a handshake. */
  async function handshake(options: ConnectionOptions = {}) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { port } = server.core.config
    const socket = connectTls({ port, servername: 'localhost', ...options }, resolve)
    socket.once('error', reject)
    await promise
    const shown = { version: socket.getProtocol(), peer: socket.getPeerX509Certificate() }
    socket.destroy()
    return shown
  }

  it('is 1.3, and 1.2 is refused (FAPI 2.0 §5.2.2, ASVS 12.1.1)', async () => {
    expect((await handshake()).version).to.equal('TLSv1.3')
    const old = await handshake({ maxVersion: 'TLSv1.2' }).catch((error: Error) => error)
    expect(old).to.be.an('error').with.property('code').that.includes('PROTOCOL_VERSION')
  })

  it('makes the issuer https with HSTS, and carries a whole flow', async () => {
    expect(server.issuer).to.equal(`https://localhost:${server.core.config.port}`)
    const url = new URL(`${server.issuer}/.well-known/openid-configuration`)
    const page = await exchange({ method: 'GET', url, headers: {} })
    expect(page.json()).to.include({ issuer: server.issuer })
    expect(page.headers.get('strict-transport-security')).to.match(/^max-age=63072000/)
    const { access_token } = await tokensFor(server, spa)
    expect((await userinfo(server, access_token)).status).to.equal(200)
  })

  it('counts plain HTTP as a failed handshake and keeps serving; a client that disconnects is not counted', async () => {
    const failed = async () =>
      figure(await scrape(metricsPort), 'keyturn_tls_handshakes_failed_total')
    const before = await failed()
    for (const [said, more] of [
      ['', 0],
      ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 1],
    ] as const) {
      const socket = connect({ port: server.core.config.port, host: '127.0.0.1' })
      socket.on('error', () => undefined)
      socket.end(said)
      expect(await text(socket).catch(() => '')).not.to.include('HTTP/1.1 2')
      await eventually(
        'the failed handshakes are counted',
        async () => (await failed()) === before + more,
      )
    }
    expect((await handshake()).version).to.equal('TLSv1.3')
  })

  it('closes a connection without a handshake after HEADERS_TIMEOUT (R-14)', async () => {
    const socket = connect({ port: server.core.config.port, host: '127.0.0.1' })
    socket.on('error', () => undefined).resume()
    await eventually('the connection is closed', () => socket.closed)
  })

  it('requests no client certificate', async () => {
    const script = `require('node:tls').connect({ port: ${server.core.config.port}, enableTrace: true,
      rejectUnauthorized: false }, function () { this.end() })`
    const child = await startChild(process.execPath, ['-e', script], {})
    await child.exit
    expect(child.stderr()).to.include('EncryptedExtensions').and.not.include('CertificateRequest')
  })

  it('reloads renewed files at runtime, and keeps the old pair when the new one is invalid, which is logged', async () => {
    const before = (await handshake()).peer
    const next = await files.issue()
    await replaceFile(files.certFile, next.cert)
    await eventually('the log reports the mismatched files', () =>
      server.logged().includes('renewed files are not valid'),
    )
    expect(server.logged()).to.include('expected the key of the first certificate')
    expect((await handshake()).peer?.fingerprint256).to.equal(before?.fingerprint256)

    await replaceFile(files.keyFile, next.key)
    const renewed = new X509Certificate(next.cert).fingerprint256
    await eventually(
      'the server presents the new certificate',
      async () => (await handshake()).peer?.fingerprint256 === renewed,
    )
    expect(server.logged().split('files are not valid'), 'logged once').to.have.length(2)
    expect(server.logged()).not.to.include(next.key.slice(40, 80))
  })

  it("completes a proxy's handshake while stopping, and answers its request (R-15)", async () => {
    const port = await freePort()
    const config = { ...server.core.config, port, trustProxy: ['127.0.0.1'] }
    let taken = 0
    const faults: unknown[] = []
    const watch = {
      ...watchConnections(noMetrics),
      follow(listening: Server) {
        listening.on('connection', () => taken++)
        listening.on('tlsClientError', ({ code }: NodeJS.ErrnoException) => faults.push(code))
      },
    }
    const listener = await listen(
      config,
      await openTlsFiles(config, silentLog),
      watch,
      (_request, response) => void response.end('served'),
    )
    const [late, mute] = [1, 2].map(() => connect({ port, host: '127.0.0.1' }))
    mute?.on('error', () => undefined).resume()
    await eventually('both connections are accepted', () => taken === 2)
    const end = listener.stop()
    const socket = connectTls({ socket: late, servername: 'localhost' })
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    expect(await text(socket)).to.include('served')
    await end
    expect(faults, 'fault of the connection that sends nothing').not.to.include(
      'ERR_TLS_HANDSHAKE_TIMEOUT',
    )
  })

  it('does not wait for a handshake when stopping, although HEADERS_TIMEOUT is longer', async () => {
    const figures = async () => textOf([(await server.core.readMetrics?.(false)) ?? []])
    const before = figure(await figures(), 'keyturn_tls_handshakes_failed_total')
    const open = async () => figure(await figures(), 'keyturn_connections_open')
    const others = await open()
    const mute = connect({ port: server.core.config.port, host: '127.0.0.1' })
    mute.on('error', () => undefined).resume()
    await eventually('the connection is open', async () => (await open()) === others + 1)
    await stop()
    // A timeout would have counted it.
    const after = figure(await figures(), 'keyturn_tls_handshakes_failed_total')
    expect(after, 'failed handshakes').to.equal(before)
  })
})
