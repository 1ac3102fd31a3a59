import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { blocksOf } from '../libraries/guide.ts'
import { findProgram } from '../support/binaries.ts'
import { type Child, startChild, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { printNotice, servicesRequired } from '../support/root-hooks.ts'
import { now, type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/resource-servers.md'), 'utf8')
const python = '/usr/bin/python3'

/** Whether a program is installed. If not, prints a notice, or throws where it is required. */
function isThere(what: string, check: () => unknown): boolean {
  try {
    if (check() !== undefined) return true
  } catch {
    // Not installed.
  }
  const said = `NOT TESTED as docs/resource-servers.md shows it: no ${what} on this machine.`
  if (servicesRequired()) throw new Error(`${said} REQUIRE_SERVICES=1 asks for it.`)
  printNotice(said)
  return false
}

/** Replaces addresses of the guide; each must occur. */
function adapted(text: string, places: Readonly<Record<string, string>>): string {
  return Object.entries(places).reduce((changed, [from, to]) => {
    expect(changed).to.include(from)
    return changed.replaceAll(from, to)
  }, text)
}

describe('docs/resource-servers.md', () => {
  let issuer: SmallIssuer
  let child: Child | undefined
  let gate: Child | undefined
  const soon = () => now() + 900

  beforeEach(async () => {
    issuer = await startSmallIssuer()
  })
  afterEach(async () => {
    await child?.stop('SIGKILL')
    await gate?.stop()
    child = gate = undefined
    await issuer.stop()
  })

  it('the Python reader refuses what the verifier refuses', async function () {
    if (!isThere('python3-authlib', () => execFileSync(python, ['-c', 'import authlib, requests'])))
      return this.skip()
    const code = adapted(blocksOf(page, 'python').join(''), {
      'https://id.example.com': issuer.url,
      'time.sleep(1)': 'time.sleep(0.02)',
    })
    const [good, revoked, expired] = [
      await issuer.token(),
      await issuer.token({ fid: 'gone' }),
      await issuer.token({ exp: now() - 60 }),
    ]
    const foreign = await issuer.token({ aud: 'https://other.example.com' })
    const idToken = await issuer.token({}, { typ: 'JWT' })
    issuer.answers['/revocations'] = async (_, response) =>
      void response.end(await issuer.document({ fid: { gone: [null, soon()] } }))
    const program = `${code}
import sys
while heard == float('-inf'):
    time.sleep(0.01)
for text in sys.argv[1:]:
    try:
        print(verify(text)['sub'])
    except ValueError as error:
        print(error)
    except Exception as error:
        print(type(error).__name__)
first = cursor
while cursor == first:
    time.sleep(0.01)
MAX_STALENESS = 0
try:
    verify(sys.argv[1])
except RuntimeError as error:
    print(error)
`
    const file = join(await temporaryFolder('python'), 'api.py')
    writeFileSync(file, program)
    const tokens = [good, revoked, expired, foreign, idToken, `${good.slice(0, -8)}AAAAAAAA`]
    child = await startChild(python, [file, ...tokens], {})
    const { code: status } = await child.exit
    expect(child.stdout().split('\n'), child.stderr()).to.deep.equal([
      'alice',
      'revoked',
      'ExpiredTokenError',
      'not for this',
      'not for this',
      'BadSignatureError',
      'nobody can tell: answer 503',
      '',
    ])
    expect(status).to.equal(0)
    expect(issuer.last['/revocations']?.url).to.include('since=')
    child = undefined
  })

  it('nginx with the verifier as auth_request answers 200, 401 with the challenge, 403, 503', async function () {
    if (!isThere('nginx', () => findProgram('nginx'))) return this.skip()
    const [port, gatePort, apiPort] = [await freePort(), await freePort(), await freePort()]
    const folder = await temporaryFolder('nginx')
    mkdirSync(join(folder, 'node_modules/@keyturn'), { recursive: true })
    symlinkSync(join(root, 'packages/verifier'), join(folder, 'node_modules/@keyturn/verifier'))
    const program = adapted(blocksOf(page, 'js').join(''), {
      'https://id.example.com': issuer.url,
      8081: String(gatePort),
    })
    writeFileSync(join(folder, 'gate.mjs'), program)
    gate = await startChild(process.execPath, ['gate.mjs'], {
      cwd: folder,
      env: { API_SECRET: 'secret' },
    })
    const locations = adapted(blocksOf(page, 'nginx').join(''), {
      'http://127.0.0.1:8081': `http://127.0.0.1:${gatePort}`,
      'http://127.0.0.1:8080': `http://127.0.0.1:${apiPort}`,
    })
    const api = `server { listen 127.0.0.1:${apiPort}; return 200 "$http_x_subject $http_authorization"; }`
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${folder}/${name};`,
    )
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
       http { access_log off; ${places.join(' ')} ${api}
       server { listen 127.0.0.1:${port}; ${locations} } }`,
    )
    const nginx = findProgram('nginx') as string
    child = await startChild(
      nginx,
      ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', 'stderr'],
      {},
    )

    async function ask(token?: string, more: Record<string, string> = {}) {
      const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` }
      const answer = await fetch(`http://127.0.0.1:${port}/orders`, {
        headers: { ...authorization, ...more },
      })
      const challenge = answer.headers.get('www-authenticate')
      return { status: answer.status, challenge, body: await answer.text() }
    }
    const token = await issuer.token({ fid: 'f' })
    await eventually('the token is accepted', async () => (await ask(token)).status === 200)
    const granted = await ask(token, { 'X-Subject': 'root' })
    expect(granted.body, 'the subject, and no token').to.equal('alice ')
    expect(await ask()).to.include({ status: 401, challenge: 'Bearer' })
    expect((await ask(`${token}x`)).challenge).to.include('error="invalid_token"')
    expect(await ask(await issuer.token({ scope: 'other' }))).to.include({ status: 403 })
    issuer.push(
      `event: revocations\ndata: ${await issuer.document({ fid: { f: [null, soon()] } })}\n\n`,
    )
    await eventually('the token is refused', async () => (await ask(token)).status === 401)
    await gate.stop()
    gate = undefined
    expect(await ask(token)).to.include({ status: 503 })
  })
})
