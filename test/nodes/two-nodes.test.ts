import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from '../support/boot.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { alice, api, callback, furnish, machine, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { type NodeProcess, startNode } from '../support/node-process.ts'
import { expectRefusal, post, tokensIn } from '../support/protocol.ts'
import { createRelyingParty, type RelyingParty } from '../support/relying-party.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { startHere, startTwoNodes, stopWithoutTraces, type TwoNodes } from '../support/two-nodes.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

interface Answer {
  status: number
  body: Record<string, string>
}

/** A request that waits too long on a busy machine gets 503, which says nothing about the code. */
const isRefusal = (error = '') => ['invalid_grant', 'temporarily_unavailable'].includes(error)

const atOnce = Array.from({ length: 20 }, (_, i) => i)
const rounds = 20
/** Over all rounds: most requests must be answered. */
const mostRefused = (rounds * atOnce.length) / 2

const suite = servicesFound() ? describe : describe.skip
suite('two nodes on one Postgres and one Redis', function () {
  this.timeout(60_000)
  let nodes: TwoNodes
  let party: RelyingParty

  before(async () => {
    nodes = await startTwoNodes()
    await furnish({ core: nodes.core })
    party = await createRelyingParty({
      issuer: nodes.issuer,
      clientId: web.client_id,
      clientSecret: web.client_secret,
      redirectUri: callback,
    })
  })
  after(() => nodes && stopWithoutTraces(nodes))

  /** Signs in and sends each request to the other node than the one before. */
  async function signInAcross(scope: string) {
    const { a, b, on } = nodes
    const agent = createUserAgent()
    const request = await party.authorize({ scope })
    let [here, there] = [a, b]
    const swap = () => {
      ;[here, there] = [there, here]
    }
    let page = await agent.get(on(here, request.url))
    for (let steps = 0; steps < 12; steps++) {
      const { location } = page
      if (
        location &&
        location.origin !== new URL(here.url).origin &&
        location.host !== new URL(nodes.issuer).host
      ) {
        remember(...(await agent.cookies(nodes.issuer)).map(({ value }) => value))
        return { request, returned: location }
      }
      swap()
      if (location) {
        page = await agent.get(on(here, location))
        continue
      }
      // A form is sent to the node that showed it, as its action is relative.
      swap()
      const isLogin = page.root.querySelector('#login-form') !== null
      page = await agent.submit(
        page,
        isLogin ? { fields: { username: alice.email, password: alice.password } } : {},
      )
    }
    throw new Error(`too many steps: ${page.body}`)
  }

  function redeem(node: string, form: Record<string, string>): Promise<Answer> {
    const credentials = Buffer.from(`${web.client_id}:${web.client_secret}`).toString('base64')
    return fetch(`${node}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams(form),
    }).then(async (response) => {
      const body = (await response.json()) as Record<string, string>
      for (const name of ['access_token', 'refresh_token']) if (body[name]) remember(body[name])
      return { status: response.status, body }
    })
  }

  const either = (i: number) => (i % 2 === 0 ? nodes.a.url : nodes.b.url)

  async function codeAndForm(scope = 'openid offline_access') {
    const { request, returned } = await signInAcross(scope)
    const code = returned.searchParams.get('code') as string
    remember(code)
    return {
      grant_type: 'authorization_code',
      code,
      redirect_uri: callback,
      code_verifier: request.codeVerifier,
    }
  }

  it('complete on one node what began on the other, and redeem the code there', async () => {
    const form = await codeAndForm()
    const answer = await redeem(nodes.b.url, form)
    expect(answer.status, JSON.stringify(answer.body)).to.equal(200)
    const refreshed = await redeem(nodes.a.url, {
      grant_type: 'refresh_token',
      refresh_token: answer.body['refresh_token'] as string,
    })
    expect(refreshed.status).to.equal(200)
  })

  it('redeem a code exactly once when 20 requests arrive in parallel (C3, C26, P-045)', async () => {
    let refused = 0
    for (let round = 0; round < rounds; round++) {
      const form = await codeAndForm()
      const answers = await Promise.all(atOnce.map((i) => redeem(either(i), form)))
      const [winner, ...others] = answers.filter(({ status }) => status === 200)
      expect(others, 'further winners').to.have.length(0)
      expect(winner, 'the winner').to.exist
      const errors = answers.filter((each) => each !== winner).map(({ body }) => body['error'])
      expect(errors.filter(isRefusal)).to.have.length(19)
      expect(errors).to.include('invalid_grant')
      refused += answers.filter(({ status }) => status === 503).length

      // The other requests were reuse, so both nodes revoke what the first one got.
      const refreshed = await redeem(nodes.b.url, {
        grant_type: 'refresh_token',
        refresh_token: winner?.body['refresh_token'] as string,
      })
      expect(refreshed.status).to.equal(400)
      const token = winner?.body['access_token'] as string
      expect(await party.introspect(token)).to.deep.equal({ active: false })
    }
    expect(refused, 'answers of 503').to.be.below(mostRefused)
  })

  it('rotate a refresh token to one live successor when 20 requests arrive in parallel (C26, R-07)', async () => {
    let refused = 0
    for (let round = 0; round < rounds; round++) {
      const first = await redeem(nodes.a.url, await codeAndForm())
      const refresh_token = first.body['refresh_token'] as string
      const answers = await Promise.all(
        atOnce.map((i) => redeem(either(i), { grant_type: 'refresh_token', refresh_token })),
      )
      const answered = answers.filter(({ status }) => status !== 503)
      expect(answered, 'answers other than 503').to.have.length.above(1)
      refused += answers.length - answered.length
      expect(new Set(answered.map(({ status }) => status))).to.deep.equal(new Set([200]))
      const successors = new Set(answered.map(({ body }) => body['refresh_token']))
      expect(successors.size, 'different successors').to.equal(1)
      const [row] = await nodes.core.database.query<{ live: string }>(
        `select count(*) as live from refresh_tokens t
         join families f on f.tenant_id = t.tenant_id and f.id = t.family_id
         where t.consumed_at is null and f.ended_at is null and f.id =
           (select family_id from refresh_tokens where token_hash = $1)`,
        [hashOf(refresh_token)],
      )
      expect(Number(row?.live)).to.equal(1)
    }
    expect(refused, 'answers of 503').to.be.below(mostRefused)
  })

  it('honour a revocation by the other node (P-063)', async () => {
    const issued = await redeem(nodes.a.url, await codeAndForm())
    const access = issued.body['access_token'] as string
    await party.revoke(access)
    const credentials = Buffer.from(`${web.client_id}:${web.client_secret}`).toString('base64')
    const introspectionOnB = async () => {
      const answer = await fetch(`${nodes.b.url}/introspect`, {
        method: 'POST',
        headers: { authorization: `Basic ${credentials}` },
        body: new URLSearchParams({ token: access }),
      })
      return answer.text()
    }
    const isOver = async () => (await introspectionOnB()) === '{"active":false}'
    expect(await lastFailureAt('the token is inactive on b', isOver)).to.be.below(1000)
  })

  it('publish the same keys (R-24)', async () => {
    const [one, two] = await Promise.all(
      [nodes.a, nodes.b].map(async ({ url }) => (await fetch(`${url}/jwks`)).text()),
    )
    expect(one).to.equal(two)
  })

  it('accept a DPoP nonce of the other node, and of one that has stopped (P-054, RFC 9449 §8)', async () => {
    const nonced = { ...machine, client_id: 'nonced', require_dpop_nonce: true }
    await nodes.core.clients.declare(defaultTenant, nonced)
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const jwk = await exportJWK(publicKey)
    async function ask(node: Pick<NodeProcess, 'url'>, nonce?: string) {
      const claims = { htm: 'POST', htu: `${nodes.issuer}/token`, jti: randomUUID(), nonce }
      const dpop = await new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
        .setIssuedAt()
        .sign(privateKey)
      const form = { grant_type: 'client_credentials', resource: api }
      return post({ issuer: node.url } as TestServer, '/token', nonced, form, { dpop })
    }
    const third = await startHere({ ...nodes.env, PORT: String(await freePort()) })
    const refused = await ask(third)
    await third.stop()
    expectRefusal(refused, 400, 'use_dpop_nonce')
    const nonce = refused.headers.get('dpop-nonce') ?? ''
    for (const node of [nodes.a, nodes.b]) {
      expect(tokensIn(await ask(node, nonce)).token_type).to.equal('DPoP')
    }
  })

  it('complete requests in flight when they are stopped (R-15)', async () => {
    const third = await startNode({ env: nodes.env })
    const answers: number[] = []
    let running = true
    const load = Promise.all(
      [1, 2, 3, 4].map(async () => {
        while (running) {
          const answer = await fetch(`${third.url}/jwks`).catch(() => undefined)
          if (!answer) break
          await answer.text()
          answers.push(answer.status)
        }
      }),
    )
    await eventually('the load is running', () => answers.length >= 50)
    const exit = await third.stop('SIGTERM')
    running = false
    await load
    expect(exit.code).to.equal(0)
    expect(answers.every((status) => status === 200)).to.equal(true)
  })
})
