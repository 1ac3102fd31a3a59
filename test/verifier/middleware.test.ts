import { createServer, type IncomingMessage, type Server, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { createVerifier, type Verifier } from '@keyturn/verifier'
import { describeExpress, protectExpress } from '@keyturn/verifier/express'
import { describeFastify, protectFastify } from '@keyturn/verifier/fastify'
import { describeFetch, protectFetch } from '@keyturn/verifier/fetch'
import { describeKoa, protectKoa, tokenOf } from '@keyturn/verifier/koa'
import { expect } from 'chai'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { now, type SmallIssuer, startSmallIssuer } from './small-issuer.ts'

const acr = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor'
const stepUp = { acrValues: [acr], maxAge: 300 }

/** The same API with every adapter: `/` requires a scope, `/money` a recent second factor. */
const frameworks: Record<string, (verifier: Verifier) => Promise<Server>> = {
  async Koa(verifier) {
    const app = new Koa()
    app.use(describeKoa(verifier))
    const [plain, money] = [
      protectKoa(verifier, { scopes: ['orders:read'] }),
      protectKoa(verifier, { stepUp }),
    ]
    app.use((ctx, next) => (ctx.path === '/money' ? money(ctx, next) : plain(ctx, next)))
    app.use((ctx) => {
      ctx.body = { subject: tokenOf(ctx).subject }
    })
    return app.listen(0, '127.0.0.1')
  },
  async Express(verifier) {
    const app = express()
    app.use(describeExpress(verifier))
    app.use('/money', protectExpress(verifier, { stepUp }))
    app.use(protectExpress(verifier, { scopes: ['orders:read'] }))
    app.use((request, response) => void response.json({ subject: tokenOf(request).subject }))
    return app.listen(0, '127.0.0.1')
  },
  async Fastify(verifier) {
    const app = fastify()
    app.get(verifier.metadata?.path ?? '', describeFastify(verifier))
    const answer = async (request: object) => ({ subject: tokenOf(request).subject })
    app.get('/', { onRequest: protectFastify(verifier, { scopes: ['orders:read'] }) }, answer)
    app.get('/money', { onRequest: protectFastify(verifier, { stepUp }) }, answer)
    await app.listen({ port: 0, host: '127.0.0.1' })
    return app.server
  },
  async 'a fetch handler'(verifier) {
    const answer = protectFetch(verifier, { scopes: ['orders:read'] }, (_, { subject }) =>
      Response.json({ subject }),
    )
    const money = protectFetch(verifier, { stepUp }, (_, { subject }) => Response.json({ subject }))
    const handle = (request: Request) =>
      describeFetch(verifier, request) ??
      (request.url.endsWith('/money') ? money(request) : answer(request))
    return createServer((incoming, outgoing) => {
      const headers = Object.entries(incoming.headersDistinct).flatMap(([name, values]) =>
        (values ?? []).map((value): [string, string] => [name, value]),
      )
      const url = `http://${incoming.headers.host}${incoming.url}`
      void Promise.resolve(handle(new Request(url, { headers }))).then(async (response) => {
        outgoing.writeHead(response.status, [...response.headers].flat())
        outgoing.end(await response.text())
      })
    }).listen(0, '127.0.0.1')
  },
}

for (const [name, start] of Object.entries(frameworks)) {
  describe(`the verifier in ${name}`, () => {
    let issuer: SmallIssuer
    let verifier: Verifier
    let server: Server

    before(async () => {
      issuer = await startSmallIssuer()
      verifier = createVerifier({
        issuer: issuer.url,
        audience: issuer.audience,
        realm: 'orders',
        metadata: { resource: `${issuer.audience}/v1`, name: 'Orders', scopes: ['orders:read'] },
        jwks: { whenUnreachable: 'refuse' },
      })
      server = await start(verifier)
      if (!server.listening) await new Promise((resolve) => server.once('listening', resolve))
    })
    after(async () => {
      verifier?.close()
      server?.closeAllConnections()
      server?.close()
      await issuer?.stop()
    })

    async function ask(path: string, headers: Record<string, string | string[]> = {}) {
      const { port } = server.address() as AddressInfo
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        send({ port, host: '127.0.0.1', path, headers }, resolve).once('error', reject).end()
      })
      const [challenge] = answer.headersDistinct['www-authenticate'] ?? []
      const body = JSON.parse((await text(answer)) || '{}') as Record<string, unknown>
      return { status: answer.statusCode, challenge, body, headers: answer.headers }
    }
    const bearer = async (claims = {}) => ({
      Authorization: `Bearer ${await issuer.token(claims)}`,
    })
    const hint =
      'resource_metadata="https://orders.example.com/.well-known/oauth-protected-resource/v1"'

    it('accepts a good token, and passes on its subject', async () => {
      const { status, body, challenge } = await ask('/', await bearer())
      expect({ status, body, challenge }).to.deep.equal({
        status: 200,
        body: { subject: 'alice' },
        challenge: undefined,
      })
    })

    it('challenges without an error code when there is no token (RFC 6750 §3, RFC 9728 §5.1)', async () => {
      for (const headers of [{}, { Authorization: 'Basic YTpi' }]) {
        const { status, challenge } = await ask('/', headers)
        expect({ status, challenge }).to.deep.equal({
          status: 401,
          challenge: `Bearer realm="orders", ${hint}`,
        })
      }
    })

    it('reports what is wrong with a token, and forbids caching (RFC 6750 §3.1)', async () => {
      const { status, challenge, body, headers } = await ask('/', await bearer({ exp: now() - 99 }))
      expect(status).to.equal(401)
      const words = challenge?.replace(/expired \d+ seconds ago/, 'expired')
      expect(words).to.equal(
        `Bearer realm="orders", error="invalid_token", error_description="it expired", ${hint}`,
      )
      expect(body['error']).to.equal('invalid_token')
      expect(headers['cache-control']).to.equal('no-store')
      const narrow = await ask('/', await bearer({ scope: 'orders:write' }))
      expect(narrow.status).to.equal(403)
      expect(narrow.challenge).to.include('error="insufficient_scope"')
      expect(narrow.challenge).to.include('scope="orders:read"')
    })

    it('accepts a token in one place only (RFC 6750 §2)', async () => {
      const good = await bearer()
      const token = good.Authorization.slice(7)
      const requests: [string, Record<string, string | string[]>][] = [
        [`/?access_token=${token}`, {}],
        [`/?access_token=${token}`, good],
        ['/', { Authorization: [good.Authorization, good.Authorization] }],
        ['/', { Authorization: 'Bearer' }],
        ['/', { Authorization: `${good.Authorization} more` }],
      ]
      for (const [path, headers] of requests) {
        const { status, challenge } = await ask(path, headers)
        expect(status, path).to.equal(400)
        expect(challenge).to.include('error="invalid_request"')
      }
    })

    it('requires a stronger or more recent sign-in (RFC 9470 §3)', async () => {
      const wanted = /error="insufficient_user_authentication".*acr_values="http.*max_age="300"/
      for (const claims of [
        {},
        { acr },
        { acr: 'x', auth_time: now() },
        { acr, auth_time: now() - 999 },
      ]) {
        const { status, challenge } = await ask('/money', await bearer(claims))
        expect(status).to.equal(401)
        expect(challenge).to.match(wanted)
      }
      expect((await ask('/money', await bearer({ acr, auth_time: now() - 60 }))).status).to.equal(
        200,
      )
    })

    it('serves its metadata (RFC 9728 §3)', async () => {
      const { status, body, headers } = await ask('/.well-known/oauth-protected-resource/v1')
      expect(status).to.equal(200)
      expect(headers['content-type']).to.match(/^application\/json/)
      expect(body).to.deep.equal({
        resource: 'https://orders.example.com/v1',
        authorization_servers: [issuer.url],
        bearer_methods_supported: ['header'],
        scopes_supported: ['orders:read'],
        resource_name: 'Orders',
      })
    })

    it('answers 503 when the keys are unavailable', async () => {
      const away = createVerifier({
        issuer: 'http://127.0.0.1:9',
        audience: issuer.audience,
        jwks: { whenUnreachable: 'accept' },
      })
      const other = await start({ ...away, metadata: verifier.metadata })
      if (!other.listening) await new Promise((resolve) => other.once('listening', resolve))
      const { port } = other.address() as AddressInfo
      const token = await issuer.token({ iss: 'http://127.0.0.1:9' })
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        headers: { Authorization: `Bearer ${token}` },
      })
      other.closeAllConnections()
      other.close()
      expect(answer.status).to.equal(503)
      expect(answer.headers.get('retry-after')).to.equal('2')
      expect(answer.headers.has('www-authenticate')).to.equal(false)
    })
  })
}
