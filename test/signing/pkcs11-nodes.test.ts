import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { describeFailure } from '../../src/cli/failure.ts'
import { type Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { emptyStorage, freshStorage } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { errorOf, openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, machine } from '../support/fixtures.ts'
import { type NodeProcess, runCommand } from '../support/node-process.ts'
import { basic } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { type SoftToken, softHsmFound, softToken, tokenProcesses } from '../support/token.ts'
import { startTwoNodes } from '../support/two-nodes.ts'

const kidOf = (jwt: string) => decodeProtectedHeader(jwt).kid as string

async function machineToken(node: NodeProcess): Promise<string> {
  const response = await fetch(`${node.url}/token`, {
    method: 'POST',
    headers: { authorization: basic(machine) },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'orders:read',
      resource: api,
    }),
  })
  return ((await response.json()) as { access_token: string }).access_token
}

if (softHsmFound()) {
  describe('a PKCS#11 token at the start', () => {
    let token: SoftToken
    let env: Record<string, string>

    before(async () => {
      token = await softToken()
      env = { ...(await freshStorage('embedded')), ...token.env }
      const core = await openNode(env)
      await core.signing.ensure(defaultTenant, ['PS256'])
      await core.close()
    })

    /** Starts in this process and returns its error, which must be one line. */
    async function lineOf(settings: Record<string, string>): Promise<string> {
      const start = async () => {
        const core = await openNode(settings)
        await core.firstStart().finally(() => core.close())
      }
      const line = describeFailure(await errorOf(start()))
      expect(line.split('\n'), line).to.have.length(1)
      return line
    }

    const wrong: [string, Record<string, string>, RegExp][] = [
      ['with a wrong PIN', { PKCS11_PIN: 'not-it' }, /rejects PKCS11_PIN: CKR_PIN_INCORRECT/],
      [
        'with another label',
        { PKCS11_TOKEN_LABEL: 'elsewhere' },
        /expected one token labelled "elsewhere" \(PKCS11_TOKEN_LABEL\), got 0 of "keyturn test"/,
      ],
      [
        'with a missing library',
        { PKCS11_MODULE: '/nowhere/lib.so' },
        /PKCS11_MODULE cannot be loaded: .*\/nowhere\/lib\.so/,
      ],
    ]
    for (const [title, change, expected] of wrong) {
      it(`${title} fails with one clear line, and destroys nothing`, async () => {
        const before = token.keys()
        const line = await lineOf({ ...env, ...change })
        expect(line)
          .to.match(/^PKCS#11 token "/)
          .and.match(expected)
        expect(line).to.not.contain(token.env['PKCS11_PIN'])
        expect(token.keys()).to.deep.equal(before).and.have.length(1)
      })
    }

    it('is not tried again after it refused the PIN, as it could lock itself', async () => {
      const core = await openNode({ ...env, PKCS11_PIN: 'not-it' })
      try {
        const first = await refusalOf(core.signing.check(), 'signing_unavailable')
        expect(first.message).to.contain('CKR_PIN_INCORRECT')
        await pause(1100)
        // The same error object, not a new one from a second attempt.
        expect(await refusalOf(core.signing.check())).to.equal(first)
        expect(await tokenProcesses()).to.deep.equal([])
      } finally {
        await core.close()
      }
      // This library does not lock; its keys are still readable with the right PIN.
      expect(token.keys()).to.have.length(1)
    })

    it('fails as a configuration error without its other settings', async () => {
      const { PKCS11_PIN: _pin, ...without } = env
      const { code, stderr } = await runHere(['keys', 'list'], without)
      expect(code).to.equal(1)
      expect(stderr).to.contain(
        'PKCS11_PIN: expected a value because of PKCS11_MODULE and PKCS11_TOKEN_LABEL, got none',
      )
    })

    it('fails with one clear line when it is no longer configured but has keys', async () => {
      const { PKCS11_MODULE: _m, PKCS11_TOKEN_LABEL: _l, PKCS11_PIN: _p, ...without } = env
      const { code, stderr } = await runCommand(['serve'], { ...without, LOG_LEVEL: 'fatal' })
      expect(code).to.equal(1)
      expect(stderr).to.match(
        /^keyturn: Signing key [\w-]{43} is in a PKCS#11 token, but PKCS11_MODULE is not set\.\n$/,
      )
    })

    it('is checked by doctor', async () => {
      const bad = await runHere(['doctor'], { ...env, PKCS11_TOKEN_LABEL: 'elsewhere' })
      expect(bad.stdout).to.match(/fail +signing keys +.*elsewhere/)
      const good = await runHere(['doctor'], env)
      expect(good.stdout).to.match(/ok +signing keys/)
    })
  })

  describe('a migration of signing keys', () => {
    afterEach(backToPresent)

    it('from Postgres to a token takes a rotation; keys of both kinds sign until then', async () => {
      const token = await softToken()
      const storage = await freshStorage('embedded')
      const sealed = await openNode(storage)
      await sealed.firstStart()
      const sign = async (core: Core) => {
        const jwt = await core.signing.sign(defaultTenant, 'ES256', 'test+jwt', { sub: 'alice' })
        return { jwt, kid: kidOf(jwt) }
      }
      const old = await sign(sealed)
      await sealed.close()

      const core = await openNode({ ...storage, ...token.env })
      try {
        await core.firstStart()
        expect((await sign(core)).kid).to.equal(old.kid)
        for (const alg of ['ES256', 'RS256'] as const) await core.signing.rotate(defaultTenant, alg)
        expect((await sign(core)).kid).to.equal(old.kid)
        travel(902)
        const fresh = await sign(core)
        expect(token.keys().map(({ id }) => id))
          .to.include(fresh.kid)
          .and.not.include(old.kid)
        const { published } = await core.signing.current(defaultTenant)
        expect(published.map(({ kid }) => kid)).to.include.members([old.kid, fresh.kid])
        travel(31 * 24 * 3600)
        await core.signing.sweep()
        const rows = await core.database.query<{ private_jwk: string }>(
          'select private_jwk from signing_keys where private_jwk is not null',
        )
        expect(rows.map((row) => row.private_jwk.slice(0, 7))).to.deep.equal(['pkcs11:', 'pkcs11:'])
      } finally {
        await core.close()
      }
    })
  })

  if (servicesFound()) {
    it('a PKCS#11 token shared by two processes: both sign with the same keys, also after a revocation, and leave no helper process, also when killed', async () => {
      const token = await softToken()
      const nodes = await startTwoNodes({ ...(await emptyStorage()), ...token.env })
      try {
        await furnish({ core: nodes.core })
        const check = async () => {
          const jwts = [await machineToken(nodes.a), await machineToken(nodes.b)]
          const kids = jwts.map(kidOf)
          expect(new Set(kids).size).to.equal(1)
          for (const [jwt, node] of [
            [jwts[0], nodes.b],
            [jwts[1], nodes.a],
          ] as const) {
            await jwtVerify(jwt as string, createRemoteJWKSet(new URL(`${node.url}/jwks`)))
          }
          return kids[0] as string
        }
        const first = await check()
        expect(token.keys()).to.have.length(2)
        // The third process on the token, like the command line.
        const { code, stderr } = await runHere(['keys', 'revoke', first], nodes.env)
        expect(code, stderr).to.equal(0)
        expect(token.keys().map(({ id }) => id))
          .to.have.length(2)
          .and.not.include(first)
        await eventually('both nodes sign with another key', async () => {
          const kids = [await machineToken(nodes.a), await machineToken(nodes.b)].map(kidOf)
          return !kids.includes(first)
        })
        await check()

        for (const [node, signal] of [
          [nodes.a, 'SIGTERM'],
          [nodes.b, 'SIGKILL'],
        ] as const) {
          const [pid] = await tokenProcesses(node.pid)
          expect(pid).to.be.a('number')
          await node.stop(signal)
          await eventually('the token process has ended', () => !existsSync(`/proc/${pid}`))
        }
      } finally {
        await nodes.stop()
      }
    })
  }
}
