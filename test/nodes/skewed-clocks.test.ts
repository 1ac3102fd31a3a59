import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { createRemoteJWKSet, decodeJwt, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose'
import type { Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { serverAt } from '../outages/load.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { prover } from '../support/dpop.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { api, callback, furnish, machine, ordersApi, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { type NodeProcess, startNode } from '../support/node-process.ts'
import {
  codeFor,
  expectRefusal,
  type Fields,
  introspect,
  post,
  type StoryClient,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'

/** Seconds between the clock of a machine and that of Postgres. */
const hour = 3600

const service = {
  client_id: 'service',
  grant_types: ['client_credentials'],
  scope: 'orders:read',
  token_endpoint_auth_method: 'private_key_jwt',
}
const ofMachine = { grant_type: 'client_credentials', resource: api }
const now = () => Math.floor(Date.now() / 1000)

const suite = servicesFound() ? describe : describe.skip
suite('nodes whose clocks are an hour ahead of Postgres and an hour behind (R-08)', function () {
  this.timeout(60_000)
  let issuer: string
  let core: Core
  let ahead: NodeProcess
  let behind: NodeProcess
  let proof: Awaited<ReturnType<typeof prover>>
  let key: Awaited<ReturnType<typeof generateKeyPair>>['privateKey']

  before(async () => {
    const port = String(await freePort())
    issuer = `http://localhost:${port}`
    const env = { ...(await freshStorage('services')), ISSUER: issuer }
    core = await openNode(env)
    await furnish({ core })
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    key = privateKey
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig' }] }
    await core.clients.declare(defaultTenant, { ...service, jwks })
    proof = await prover(serverAt(issuer))
    const start = (seconds: number, PORT: string) =>
      startNode({
        env: { ...env, PORT, CLOCK_OFFSET_SECONDS: String(seconds) },
        waitFor: '/healthz',
      })
    ;[ahead, behind] = await Promise.all([
      start(hour, port),
      start(-hour, String(await freePort())),
    ])
  })
  after(async () => {
    await Promise.all([ahead?.stop(), behind?.stop()])
    await core?.close()
  })

  /** Sends a DPoP proof, so that the request reaches the engine, whose only clock is that of its process. */
  const send = async (node: NodeProcess, client: StoryClient, fields: Fields) =>
    post(serverAt(node.url), '/token', client, fields, { dpop: await proof() })

  /** Both nodes publish the token's key, and its times are right. */
  async function expectGood(token: string | undefined, life: number): Promise<void> {
    for (const { url } of [ahead, behind]) {
      await jwtVerify(token ?? '', createRemoteJWKSet(new URL(`${url}/jwks`)), { issuer })
    }
    const { iat = 0, exp = 0 } = decodeJwt(token ?? '')
    expect(iat, 'iat').to.be.closeTo(now(), 10)
    expect(exp - iat).to.equal(life)
  }

  const isActive = async (node: NodeProcess, token: string) =>
    (await introspect(serverAt(node.url), ordersApi, token))['active'] === true

  it('are not ready, and log the reason once', async () => {
    for (const node of [ahead, behind]) {
      const answer = await fetch(`${node.url}/readyz`)
      expect(answer.status).to.equal(503)
      const { clock } = (await answer.json()) as { clock: string }
      // The accuracy of the measured difference depends on the speed of this machine.
      expect(clock).to.match(/^(3599|3600|3601) s off$/)
      const lines = () => node.stdout().match(/"level":"error".*Postgres differ/g)
      expect(await eventually('the error is logged', () => lines() ?? undefined)).to.have.length(1)
    }
  })

  it('date what they issue by Postgres, and accept what the other node issued', async () => {
    for (const [here, there] of [
      [ahead, behind],
      [behind, ahead],
    ] as const) {
      const code = await codeFor(serverAt(here.url), web, { scope: 'openid offline_access' })
      const form = { code, redirect_uri: callback, code_verifier: verifier }
      const first = tokensIn(await send(there, web, { grant_type: 'authorization_code', ...form }))
      const { refresh_token } = first
      const second = tokensIn(await send(here, web, { grant_type: 'refresh_token', refresh_token }))
      for (const { access_token, id_token } of [first, second]) {
        await expectGood(access_token, core.config.accessTokenTtl)
        await expectGood(id_token, core.config.idTokenTtl)
      }
    }
  })

  it('revoke everything issued until now, by either node', async () => {
    const nodes = [ahead, behind]
    const tokens = await Promise.all(
      nodes.map(async (node) => tokensIn(await send(node, machine, ofMachine)).access_token),
    )
    for (const token of tokens) {
      await expectGood(token, core.config.accessTokenTtl)
      for (const node of nodes) expect(await isActive(node, token)).to.equal(true)
    }
    await core.revocations.signOutTenant(defaultTenant)
    const areOver = async () => {
      const active = await Promise.all(
        nodes.flatMap((node) => tokens.map((token) => isActive(node, token))),
      )
      return !active.includes(true)
    }
    expect(await lastFailureAt('both nodes refuse the tokens', areOver)).to.be.below(1000)
  })

  it('refuse expired proofs and assertions', async () => {
    const { client_id } = service
    const assert = (exp: number) =>
      new SignJWT({ iss: client_id, sub: client_id, aud: issuer, jti: randomUUID(), exp })
        .setProtectedHeader({ alg: 'ES256' })
        .sign(key)
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    for (const { url } of [ahead, behind]) {
      const present = (client_assertion: string) =>
        post(serverAt(url), '/token', undefined, {
          ...ofMachine,
          client_assertion_type: type,
          client_assertion,
        })
      tokensIn(await present(await assert(now() + 60)))
      expectRefusal(await present(await assert(now() - 100)), 401, 'invalid_client')
      const dpop = await proof(randomUUID(), undefined, '/token', now() - 400)
      const late = await post(serverAt(url), '/token', machine, ofMachine, { dpop })
      expectRefusal(late, 400, 'use_dpop_nonce')
    }
  })
})
