import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { type Server, startServer } from '../../src/server.ts'
import type { SigningAlg } from '../../src/signing/signing-key.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { watchHoldUps } from '../support/hold-ups.ts'
import { type SlowLibrary, slowLibrary } from '../support/slow-library.ts'
import { softHsmFound, softToken, tokenProcesses } from '../support/token.ts'

if (softHsmFound()) {
  describe('a slow PKCS#11 token', () => {
    let library: SlowLibrary
    let core: Core
    let server: Server

    before(async () => {
      const token = await softToken()
      library = await slowLibrary(token.env['PKCS11_MODULE'] as string)
      core = await openNode({
        ...(await freshStorage('embedded')),
        ...token.env,
        PKCS11_MODULE: library.path,
        PATH: String(process.env['PATH']),
        PORT: String(await freePort()),
      })
      // The storage is created with sealed keys.
      for (const { kid } of await core.signing.list(defaultTenant)) {
        await core.signing.revoke(defaultTenant, kid)
      }
      server = await startServer(core)
      await fetch(`http://localhost:${core.config.port}/jwks`)
    })
    afterEach(() => library.goOn())
    after(async () => {
      await server?.stop()
      await core?.close()
    })

    const sign = (alg: SigningAlg) =>
      core.signing.sign(defaultTenant, alg, 'test+jwt', { sub: 'alice' })

    async function readiness() {
      const answer = await fetch(`http://localhost:${core.config.port}/readyz`)
      const { signing_token: token } = (await answer.json()) as { signing_token?: string }
      return { code: answer.status, token }
    }

    it('fails only the signature that is late, and its process goes on', async () => {
      const [pid] = await tokenProcesses()
      await sign('RS256')
      library.hang()
      let took: number | undefined
      const [began, heldUp] = [performance.now(), watchHoldUps()]
      const late = refusalOf(sign('RS256'), 'signing_unavailable').finally(() => {
        took = performance.now() - began
      })
      while (took === undefined) {
        await sign('ES256')
        expect(await readiness()).to.deep.equal({ code: 200, token: 'ok' })
      }
      expect((await late).message).to.contain('no answer within 5000 ms')
      expect(took).to.be.within(4900, 7000 + heldUp())
      await sign('ES256')
      library.goOn()
      await sign('RS256')
      expect(await tokenProcesses()).to.deep.equal([pid])
    })

    it('shows in /readyz when it does not answer at all, and its process is replaced', async () => {
      const [pid] = await tokenProcesses()
      library.hang()
      const late = Promise.all(
        Array.from({ length: 4 }, () => refusalOf(sign('RS256'), 'signing_unavailable')),
      )
      const meanwhile = sign('ES256')
      expect(await readiness()).to.deep.equal({ code: 503, token: 'does not answer' })
      await late
      expect(await meanwhile).to.be.a('string')
      await sign('ES256')
      await eventually('one process is left', async () => {
        const pids = await tokenProcesses()
        return pids.length === 1 && pids[0] !== pid
      })
      await eventually('the node is ready', async () => (await readiness()).code === 200)
    })

    it('passes only the needed environment variables to its process', async () => {
      const [pid] = await tokenProcesses()
      const text = await readFile(`/proc/${pid}/environ`, 'utf8')
      const names = text.split('\0').flatMap((entry) => entry.split('=')[0] || [])
      expect(names).to.include.members(['PATH', 'SOFTHSM2_CONF'])
      const usual = ['PATH', 'HOME', 'TZ', 'TMPDIR', 'LANG', 'LC_ALL', 'LD_LIBRARY_PATH']
      const own = ['SOFTHSM2_CONF', 'NODE_CHANNEL_FD', 'NODE_CHANNEL_SERIALIZATION_MODE']
      expect([...usual, ...own]).to.include.members(names)
    })
  })
}
