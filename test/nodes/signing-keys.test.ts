import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import { decodeProtectedHeader } from 'jose'
import { emptyStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, machine } from '../support/fixtures.ts'
import { runCommand, startNode } from '../support/node-process.ts'
import { basic } from '../support/protocol.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import { startTwoNodes } from '../support/two-nodes.ts'

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

interface SlowRequest {
  /** Sends the rest of the body. */
  finish(): Promise<{ status: number; retryAfter?: string; body: Record<string, string> }>
}

/** A token request whose head and first byte have arrived. */
async function beginSlowly(url: string): Promise<SlowRequest> {
  const body = asked.toString()
  const sent: ClientRequest = request(`${url}/token`, {
    method: 'POST',
    headers: {
      authorization: basic(machine),
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': body.length,
      expect: '100-continue',
    },
  })
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    sent.once('response', resolve).once('error', reject)
  })
  answered.catch(() => undefined)
  const isRead = new Promise((resolve) => void sent.once('continue', resolve))
  sent.flushHeaders()
  // Node answers so when it hands the request on.
  await isRead
  sent.write(body.slice(0, 1))
  return {
    async finish() {
      sent.end(body.slice(1))
      const response = await answered
      const retryAfter = response.headers['retry-after']
      return {
        status: response.statusCode as number,
        ...(retryAfter === undefined ? {} : { retryAfter }),
        body: JSON.parse(await text(response)) as Record<string, string>,
      }
    },
  }
}

const suite = servicesFound() ? describe : describe.skip
suite('processes on one database', function () {
  this.timeout(90_000)

  it('have one key set when five start at once on an empty one (R-24)', async () => {
    const env = await emptyStorage()
    expect((await runCommand(['migrate'], env)).code).to.equal(0)
    const settings = { ...env, LOG_LEVEL: 'info' }
    const nodes = await Promise.all(Array.from({ length: 5 }, () => startNode({ env: settings })))
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
      'keys that were made',
    ).to.equal(2)
  })

  it('sign nothing with a revoked key for requests that began before (R-10)', async () => {
    const nodes = await startTwoNodes()
    try {
      await furnish({ core: nodes.core })
      const urls = [nodes.a.url, nodes.b.url]
      const kid = (await signerOf(nodes.a.url)) as string
      const slow = await Promise.all(urls.map(beginSlowly))
      const { replacement } = await nodes.core.signing.revoke('default', kid)
      for (const url of urls) {
        await eventually('it knows', async () => !(await publishedBy(url)).includes(kid))
      }
      for (const each of slow) {
        const { status, retryAfter, body } = await each.finish()
        expect({ status, retryAfter, error: body['error'] }).to.deep.equal({
          status: 503,
          retryAfter: '2',
          error: 'temporarily_unavailable',
        })
      }
      for (const url of urls) expect(await signerOf(url)).to.equal(replacement?.key.kid)
    } finally {
      await nodes.stop()
    }
  })

  it('know within two seconds of a key that a command revoked, also when nobody listens (R-10)', async () => {
    const nodes = await startTwoNodes()
    try {
      await furnish({ core: nodes.core })
      const urls = [nodes.a.url, nodes.b.url]
      for (const listens of [true, false]) {
        const kid = (await signerOf(nodes.a.url)) as string
        if (!listens) {
          await services()?.admin(
            `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'keyturn listener'`,
          )
        }
        const revoked = await nodes.core.signing.revoke('default', kid)
        const began = performance.now()
        const took = await Promise.all(
          urls.map(async (url) => {
            await eventually('it is gone', async () => {
              const [signer, published] = await Promise.all([signerOf(url), publishedBy(url)])
              return signer === revoked.replacement?.key.kid && !published.includes(kid)
            })
            return Math.round(performance.now() - began)
          }),
        )
        process.stdout.write(
          `      ${listens ? 'notified' : 'by the poll'}: ${took.join(', ')} ms\n`,
        )
        expect(Math.max(...took)).to.be.below(2000)
      }
    } finally {
      await nodes.stop()
    }
  })
})
