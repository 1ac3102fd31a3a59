import { writeFile } from 'node:fs/promises'
import { type ClientRequest, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { findProgram } from '../support/binaries.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { createAuthority, serverFiles, trust } from '../support/certificates.ts'
import { type Child, startChild, temporaryFolder } from '../support/child.ts'
import { adapted, documented } from '../support/documented.ts'
import { eventually } from '../support/eventually.ts'
import { furnish, spa } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { authorizeUrl, refresh, tokensFor } from '../support/protocol.ts'
import { printNotice, servicesRequired } from '../support/root-hooks.ts'

interface Place {
  folder: string
  port: number
  behind: number
  certFile: string
  keyFile: string
}

/** Sends the path as it is written; `URL` would normalise it. */
function send(request: ClientRequest): Promise<{ status: number; said: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; said: string }>()
  request.once('error', reject)
  request.once('response', (response) => {
    const { statusCode: status = 0, headers } = response
    text(response).then(
      (body) => resolve({ status, said: body + (headers.location ?? '') }),
      reject,
    )
  })
  request.end()
  return promise
}

const shown = (language: string) => documented('deployment.md', language)[0] ?? ''

/** Each proxy with the configuration from the documentation; only addresses and paths are replaced. */
const proxies: Record<string, (place: Place) => Promise<string[]>> = {
  async nginx({ folder, port, behind, certFile, keyFile }) {
    const http = adapted(shown('nginx'), {
      '127.0.0.1:3000': `127.0.0.1:${behind}`,
      'listen 443': `listen 127.0.0.1:${port}`,
      'server_name id.example.com': 'server_name localhost',
      '/etc/ssl/id.example.com.pem': certFile,
      '/etc/ssl/private/id.example.com.key': keyFile,
      '/var/log/nginx/keyturn.log': join(folder, 'access.log'),
    })
    const file = join(folder, 'nginx.conf')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${folder};`)
      .join('\n')
    await writeFile(
      file,
      `daemon off;\npid ${folder}/pid;\nerror_log stderr;\nevents {}\nhttp {\n${temporary}\n${http}\n}\n`,
    )
    return ['nginx', '-p', folder, '-c', file, '-e', 'stderr']
  },
  async caddy({ folder, port, behind, certFile, keyFile }) {
    const site = adapted(shown('caddyfile'), {
      '127.0.0.1:3000': `127.0.0.1:${behind}`,
      'id.example.com {': `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${certFile} ${keyFile}`,
    })
    const file = join(folder, 'Caddyfile')
    await writeFile(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${site}`)
    return ['caddy', 'run', '--adapter', 'caddyfile', '--config', file]
  },
}

for (const [name, configure] of Object.entries(proxies)) {
  describe(`behind ${name}, configured as in docs/deployment.md`, function () {
    this.timeout(60_000)
    let server: TestServer
    let proxy: Child
    let behind: number

    before(async function () {
      const path = findProgram(name)
      if (path === undefined) {
        const what = `NOT TESTED behind a proxy: no ${name} on this machine.`
        if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
        printNotice(what, `Debian: apt-get install ${name}.`)
        return this.skip()
      }
      const authority = await createAuthority()
      trust(authority)
      const port = await freePort()
      behind = await freePort()
      server = await boot(anyStorage, {
        ISSUER: `https://localhost:${port}`,
        PORT: String(behind),
        HOST: '127.0.0.1',
        TRUST_PROXY: '127.0.0.1',
      })
      await furnish(server)
      const folder = await temporaryFolder(name)
      const [, ...args] = await configure({
        folder,
        port,
        behind,
        ...(await serverFiles(authority)),
      })
      proxy = await startChild(path, args, { env: { HOME: folder, XDG_DATA_HOME: folder } })
      await eventually(`${name} passes requests on`, async () => {
        if (proxy.ended()) throw new Error(`${proxy.stdout()}${proxy.stderr()}`)
        return (await ask('/readyz').catch(() => undefined))?.status === 200
      })
    })
    after(async () => {
      await proxy?.stop()
      await server?.stop()
    })

    /** Asks through the proxy, from an address of this machine that no proxy uses. */
    const ask = (path: string, headers: Record<string, string> = {}) => {
      const { host, port } = new URL(server.issuer)
      const to = { host: '127.0.0.1', servername: 'localhost', localAddress: '127.0.0.2', port }
      return send(requestHttps({ ...to, path, headers: { host, ...headers }, agent: false }))
    }

    it('a user signs in, and tokens are issued and refreshed', async () => {
      const tokens = await tokensFor(server, spa, { scope: 'openid offline_access' })
      expect((await refresh(server, spa, tokens)).status).to.equal(200)
    })

    it("the client's address is logged, whatever forwarding headers the client sends (C17)", async () => {
      for (const claim of [
        {},
        { 'x-forwarded-for': '6.6.6.6' },
        { 'x-forwarded-for': '6.6.6.6, 127.0.0.1' },
        { forwarded: 'for=6.6.6.6', 'x-real-ip': '6.6.6.6' },
      ]) {
        const before = server.logged().length
        await ask('/jwks-is-not-here', claim)
        const lines = server
          .logged()
          .slice(before)
          .split('\n')
          .filter((line) => line.includes('"msg":"request"'))
        expect(lines.length).to.equal(1)
        expect(JSON.parse(lines[0] ?? '')).to.include({ ip: '127.0.0.2' })
      }
    })

    it('forged Host and forwarding headers have no effect (C17, P-066)', async () => {
      const discovery = '/.well-known/openid-configuration'
      const honest = (await ask(discovery)).said
      expect(honest).to.include(`"issuer":"${server.issuer}"`)
      const { pathname, search } = authorizeUrl(server, spa)
      for (const lie of [
        ...(name === 'nginx' ? [{ host: 'evil.example' }] : []),
        { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' },
        { forwarded: 'host=evil.example;proto=http', 'x-forwarded-port': '1' },
        { 'x-original-url': '/evil', 'x-rewrite-url': '/evil', 'x-forwarded-prefix': '/evil' },
      ]) {
        expect((await ask(discovery, lie)).said, JSON.stringify(lie)).to.equal(honest)
        const begun = await ask(pathname + search, lie)
        expect(begun.status).to.equal(303)
        expect(begun.said).not.to.include('evil')
      }
    })

    it('unusual paths reach the server as they were sent', async () => {
      for (const path of [
        '//jwks',
        '/%6awks',
        '/jwks/',
        '/jwks?',
        '/JWKS',
        '/x/%2e%2e/jwks',
        '/jwks;x',
      ]) {
        const direct = await send(
          requestHttp({ host: '127.0.0.1', port: behind, path, agent: false }),
        )
        expect((await ask(path)).status, path).to.equal(direct.status)
      }
    })

    it('two hundred requests over kept-alive connections succeed', async () => {
      for (let round = 0; round < 4; round++) {
        const answers = await Promise.all(Array.from({ length: 50 }, () => ask('/jwks')))
        expect(answers.map(({ status }) => status)).to.deep.equal(Array(50).fill(200))
      }
    })
  })
}
