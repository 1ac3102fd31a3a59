import { expect } from 'chai'
import { decodeProtectedHeader } from 'jose'
import type { Core } from '../../src/core.ts'
import { mayIdle, newDevice, refreshWith, waitingForRows } from '../outages/load.ts'
import { emptyStorage } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { openNode } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, machine } from '../support/fixtures.ts'
import { startNode } from '../support/node-process.ts'
import { basic } from '../support/protocol.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import { type NodePair, startNodeBeside } from '../support/two-nodes.ts'

async function publishedBy(url: string): Promise<string[]> {
  const { keys } = (await (await fetch(`${url}/jwks`)).json()) as {
    keys: { kid: string; use: string }[]
  }
  return keys.filter(({ use }) => use === 'sig').map(({ kid }) => kid)
}

const asked = new URLSearchParams({
  grant_type: 'client_credentials',
  scope: 'orders:read',
  resource: api,
})

async function signerOf(url: string): Promise<string | undefined> {
  const answer = await fetch(`${url}/token`, {
    method: 'POST',
    headers: { authorization: basic(machine) },
    body: asked,
  })
  const { access_token: token } = (await answer.json()) as { access_token: string }
  return decodeProtectedHeader(token).kid
}

const suite = servicesFound() ? describe : describe.skip
suite('signing keys of several processes on one database', function () {
  this.timeout(90_000)

  it('are one set when four processes start in parallel on an empty database (R-24)', async () => {
    const env = await emptyStorage()
    expect((await runHere(['migrate'], env)).code).to.equal(0)
    const settings = { ...env, LOG_LEVEL: 'info' }
    const nodes = await Promise.all(Array.from({ length: 4 }, () => startNode({ env: settings })))
    try {
      const sets = await Promise.all(nodes.map(({ url }) => publishedBy(url)))
      expect(sets[0]).to.have.length(2)
      for (const set of sets) expect(set).to.deep.equal(sets[0])
      const core = await openNode(env)
      expect(await core.signing.list('default')).to.have.length(2)
      await core.close()
    } finally {
      await Promise.all(nodes.map((node) => node.stop()))
    }
    const counts = nodes.map((node) => /"signing_key_made":(\d+)/.exec(node.stdout())?.[1] ?? '0')
    process.stdout.write(`      the nodes made ${counts.join(', ')} keys\n`)
    expect(
      counts.reduce((sum, count) => sum + Number(count), 0),
      'number of keys made',
    ).to.equal(2)
  })

  describe('on two nodes', () => {
    let nodes: NodePair
    /** The core of a command, which belongs to neither node. */
    let core: Core

    before(async () => {
      nodes = await startNodeBeside()
      core = await openNode(nodes.env)
      await furnish({ core })
    })
    after(async () => {
      await core?.close()
      await nodes?.stop()
    })

    it('sign nothing once revoked, not even for requests that began before (R-10)', async () => {
      const urls = [nodes.a.url, nodes.b.url]
      const kid = (await signerOf(nodes.a.url)) as string
      const families = await Promise.all(urls.map(() => newDevice(nodes)))
      const locked = Promise.withResolvers<void>()
      const release = Promise.withResolvers<void>()
      const lock = core.database.transaction(async () => {
        await mayIdle(core.database)
        await core.database.query('select 1 from families for update')
        locked.resolve()
        await release.promise
      })
      await locked.promise
      const slow = urls.map((url, i) => refreshWith(url, families[i]?.refresh_token))
      await eventually('both refreshes wait for a row', async () => (await waitingForRows()) >= 2)
      const { replacement } = await core.signing.revoke('default', kid)
      for (const url of urls) {
        await eventually(
          'the node no longer publishes the key',
          async () => !(await publishedBy(url)).includes(kid),
        )
      }
      release.resolve()
      await lock
      for (const { status, retryAfter, body } of await Promise.all(slow)) {
        expect({ status, retryAfter }).to.deep.equal({ status: 503, retryAfter: '2' })
        expect(JSON.parse(body)).to.include({ error: 'temporarily_unavailable' })
      }
      for (const url of urls) expect(await signerOf(url)).to.equal(replacement?.key.kid)
    })

    it('are known to be revoked by a command within two seconds, with and without notifications (R-10)', async () => {
      const urls = [nodes.a.url, nodes.b.url]
      for (const listens of [true, false]) {
        const kid = (await signerOf(nodes.a.url)) as string
        if (!listens) {
          await services()?.admin(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'keyturn listener'`,
          )
        }
        const revoked = await core.signing.revoke('default', kid)
        const began = performance.now()
        // The last request that saw the old key; responses may take long on a busy machine.
        const latest = await Promise.all(
          urls.map(async (url) => {
            let last = 0
            await eventually('the node no longer uses the key', async () => {
              const after = Math.round(performance.now() - began)
              const [signer, published] = await Promise.all([signerOf(url), publishedBy(url)])
              if (signer === revoked.replacement?.key.kid && !published.includes(kid)) return true
              last = after
              return false
            })
            return last
          }),
        )
        process.stdout.write(
          `      ${listens ? 'notified' : 'by the poll'}: ${latest.join(', ')} ms\n`,
        )
        expect(Math.max(...latest)).to.be.below(2000)
      }
    })
  })
})
