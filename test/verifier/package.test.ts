import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { temporaryFolder } from '../support/child.ts'
import { type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

/** A program that has the package, but not this repository. */
const program = (types: boolean) => `
import { createVerifier, TokenRefused${types ? ', type Policy, type VerifiedToken' : ''} } from '@keyturn/verifier'
import { protectExpress } from '@keyturn/verifier/express'
import { protectFastify } from '@keyturn/verifier/fastify'
import { protectFetch } from '@keyturn/verifier/fetch'
import { protectKoa, tokenOf } from '@keyturn/verifier/koa'

const [issuer = '', audience = '', token = ''] = (globalThis${types ? ' as unknown as { process: { argv: string[] } }' : ''}).process.argv.slice(2)
const verifier = createVerifier({ issuer, audience, jwks: { whenUnreachable: 'refuse' } })
const policy${types ? ': Policy' : ''} = { scopes: ['orders:read'] }
const { subject, claims }${types ? ': VerifiedToken' : ''} = await verifier.verify(token, policy)
const refused = await verifier.verify(token + 'x').catch((error${types ? ': unknown' : ''}) => error instanceof TokenRefused && error.reason)
const handle = protectFetch(verifier, policy, (request, { clientId }) => new Response(clientId + new URL(request.url).pathname))
const answer = await handle(new Request('http://localhost/orders', { headers: { Authorization: 'Bearer ' + token } }))
const adapters = [protectExpress(verifier), protectFastify(verifier), protectKoa(verifier), tokenOf].length
console.log([subject, claims.exp > 0, refused, await answer.text(), adapters].join(' '))
`

describe('the package of the verifier', () => {
  let folder: string
  let issuer: SmallIssuer

  before(async () => {
    issuer = await startSmallIssuer()
    folder = await temporaryFolder('package')
    // Installed outside the repository and without a network; jose is copied from node_modules.
    execFileSync(process.execPath, [join(root, 'packages/pack-verifier.ts'), folder])
    const [packed = ''] = readdirSync(folder)
    const dependencies = {
      '@keyturn/verifier': `file:${packed}`,
      jose: `file:${join(root, 'node_modules/jose')}`,
    }
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ private: true, type: 'module', dependencies, overrides: { jose: '$jose' } }),
    )
    const flags = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts', '--install-links']
    execFileSync('npm', ['install', ...flags], { cwd: folder, stdio: 'pipe' })
  })
  after(() => issuer?.stop())

  async function expectItRuns(file: string): Promise<void> {
    const args = [file, issuer.url, issuer.audience, await issuer.token()]
    const { stdout } = await run(process.execPath, args, { cwd: folder })
    expect(stdout).to.equal('alice true form web/orders 4\n')
  }

  it('contains only what it needs: JavaScript, types, a manifest, a licence', () => {
    const at = join(folder, 'node_modules/@keyturn/verifier')
    const files = readdirSync(at, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    )
    const strange = files.filter(
      ({ name }) => !/\.js$|\.d\.ts$|^(package\.json|README\.md|LICENSE)$/.test(name),
    )
    expect(strange.map(({ name }) => name)).to.deep.equal([])
    const manifest = JSON.parse(readFileSync(join(at, 'package.json'), 'utf8')) as Record<
      string,
      unknown
    >
    expect(manifest).to.deep.include({ type: 'module', sideEffects: false })
    expect(manifest['private']).to.not.equal(true)
    expect(Object.keys(manifest['dependencies'] as object)).to.deep.equal(['jose'])
    for (const { types, default: code } of Object.values(
      manifest['exports'] as Record<string, { types: string; default: string }>,
    )) {
      for (const file of [types, code])
        expect(readFileSync(join(at, file), 'utf8')).to.not.equal('')
    }
  })

  it('works in JavaScript', async () => {
    writeFileSync(join(folder, 'app.js'), program(false))
    await expectItRuns('app.js')
  })

  it('works in the strictest TypeScript, with web types only', async () => {
    mkdirSync(join(folder, 'src'), { recursive: true })
    writeFileSync(join(folder, 'src/app.ts'), program(true))
    const compilerOptions = {
      target: 'ES2022',
      module: 'NodeNext',
      lib: ['ES2022', 'DOM', 'DOM.Iterable'],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
      skipLibCheck: false,
      rootDir: 'src',
      outDir: 'out',
    }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, include: ['src'] }),
    )
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
    await expectItRuns('out/app.js')
  })
})
