import { randomUUID } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { expect } from 'chai'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { limits } from '../../src/limits/limits.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { api, furnish, machine, ordersApi, spa } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { basic, encode, expectRefusal, introspect, post, tokensIn } from '../support/protocol.ts'
import { stackLookUps } from '../support/stack.ts'
import { remember } from '../support/witness.ts'

describe('plain requests on the wire', () => {
  const server = booted(anyStorage, { RATE_LIMITS: 'on' }, furnish)
  let token: string
  const body = () => encode({ token })
  const asking = { grant_type: 'client_credentials', resource: api }
  before(async () => {
    token = tokensIn(await post(server, '/token', machine, asking)).access_token
    await introspect(server, ordersApi, token)
  })

  function head(length: number, more = ''): string {
    return [
      'POST /introspect HTTP/1.1',
      `Host: ${new URL(server.issuer).host}`,
      `Authorization: ${basic(ordersApi)}`,
      'Content-Type: application/x-www-form-urlencoded',
      `Content-Length: ${length}${more}`,
      '\r\n',
    ].join('\r\n')
  }

  /** Opens a connection; `read` waits until `fits` accepts what was received. */
  async function open() {
    const socket = connect(Number(new URL(server.issuer).port), '127.0.0.1').on('error', () => {})
    let received = ''
    socket.setEncoding('utf8').on('data', (text: string) => (received += text))
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
    const read = (what: string, fits: (text: string) => boolean) =>
      eventually(what, async () => fits(received)).then(() => received)
    return { socket, read }
  }

  const answers = (text: string) => text.match(/HTTP\/1\.1 \d+|"active":\w+|"error":"\w+"/g) ?? []

  it('are answered in order on one connection, whichever path each takes', async () => {
    const { socket, read } = await open()
    const stack = encode({ token, x: '1' })
    const wrong = encode({ token: 'a.b.c' })
    const all = [stack, body(), wrong, body(), body(), stack]
    socket.write(all.map((each) => head(each.length) + each).join(''))
    const text = await read('six responses', (so) => answers(so).length >= 12)
    const active = ['HTTP/1.1 200', '"active":true']
    const inactive = ['HTTP/1.1 200', '"active":false']
    const expected = [active, active, inactive, active, active, active].flat()
    expect(answers(text)).to.deep.equal(expected)
    // The connection stays open, also after a request handed over to the stack.
    socket.write(head(body().length) + body())
    await read('a seventh response', (so) => answers(so).length === 14)
    socket.destroy()
  })

  it('may arrive in parts and wait for 100 Continue (RFC 9110 §10.1.1)', async () => {
    const { socket, read } = await open()
    socket.setNoDelay(true)
    socket.write(head(body().length, '\r\nExpect: 100-continue'))
    await read('100 Continue', (so) => so.startsWith('HTTP/1.1 100 Continue'))
    for (let at = 0; at < body().length; at += 97) {
      const part = body().slice(at, at + 97)
      await new Promise((resolve) => socket.write(part, resolve))
    }
    const { result, lookUps } = await stackLookUps(server, () =>
      read('a response', (so) => answers(so).length >= 3),
    )
    expect(answers(result)).to.deep.equal(['HTTP/1.1 100', 'HTTP/1.1 200', '"active":true'])
    expect(lookUps).to.equal(0)
    socket.destroy()
  })

  it('get the same response head as from the stack, in any HTTP version (RFC 9112 §9.3)', async () => {
    const ways = ['HTTP/1.0', 'HTTP/1.0\r\nConnection: keep-alive', 'HTTP/1.1\r\nConnection: close']
    for (const way of ways) {
      const heads = []
      for (const type of ['form-urlencoded', 'form-urlencoded; stack=1']) {
        const { socket, read } = await open()
        const asked = head(body().length).replace('HTTP/1.1', way).replace('form-urlencoded', type)
        socket.write(asked + body())
        const text = await read(
          'a response',
          (so) => so.includes('"active":true') && so.endsWith('}'),
        )
        socket.destroy()
        const lines = text.split('\r\n').filter((line) => !/^(date|request-id):/i.test(line))
        heads.push(lines.map((line) => line.replace(/^[\w-]+:/, (name) => name.toLowerCase())))
      }
      expect(heads[0]?.toSorted(), way).to.deep.equal(heads[1]?.toSorted())
    }
  })

  it('that end before their body leave one line in the log, and nothing else', async () => {
    const { socket } = await open()
    const before = server.logged().length
    socket.write(head(body().length) + body().slice(0, 20))
    socket.end()
    const lines = () => server.logged().slice(before).split('\n')
    await eventually('the request is logged', async () =>
      lines().some((line) => line.includes('"request"')),
    )
    const [line] = lines().filter((each) => each.includes('"msg":"request"'))
    expect(JSON.parse(line ?? '')).to.include({ path: '/introspect', status: 400 })
    expect(await introspect(server, ordersApi, token)).to.include({ active: true })
  })

  it('whose sender disconnects before its tenant is loaded are refused as unreadable, not as an empty form', async () => {
    const { tenants } = server.core
    const { find } = tenants
    const types = { form: 'form-urlencoded', stack: 'form-urlencoded; stack=1' }
    for (const [tenant, type] of Object.entries(types)) {
      await tenants.declare({ id: tenant, name: tenant })
      await furnish(server, tenant)
      const arrival = Promise.withResolvers<IncomingMessage>()
      const noteArrival = (message: unknown) =>
        arrival.resolve((message as { request: IncomingMessage }).request)
      const before = server.logged().length
      const lines = () => server.logged().slice(before).split('\n')
      const { socket } = await open()
      subscribe('http.server.request.start', noteArrival)
      tenants.find = async (id) => {
        const request = await arrival.promise
        if (!request.destroyed) await new Promise((resolve) => request.once('close', resolve))
        return find(id)
      }
      try {
        const asked = head(body().length).replace('/introspect', `/t/${tenant}/introspect`)
        socket.write(asked.replace('form-urlencoded', type) + body())
        await arrival.promise
        socket.destroy()
        await eventually('the request is logged', async () =>
          lines().some((line) => line.includes('"msg":"request"')),
        )
      } finally {
        tenants.find = find
        unsubscribe('http.server.request.start', noteArrival)
      }
      const refusal = lines().find((line) => line.includes('"msg":"request refused"'))
      expect(JSON.parse(refusal ?? '{}'), type).to.include({ check: 'body_form' })
    }
  })

  it('of a client are refused after its secret is replaced or the client is disabled (P-060)', async () => {
    const { clients } = server.core
    const short = { ...machine, client_id: 'short' }
    await clients.declare(defaultTenant, short)
    tokensIn(await post(server, '/token', short, asking))
    const renewed = await clients.rotateSecret(defaultTenant, short.client_id, 0)
    expectRefusal(await post(server, '/token', short, asking), 401, 'invalid_client')
    const now = { ...short, client_secret: renewed }
    const { access_token: of } = tokensIn(await post(server, '/token', now, asking))
    expect(await introspect(server, ordersApi, of)).to.include({ active: true })
    await clients.setDisabled(defaultTenant, short.client_id, true)
    expectRefusal(await post(server, '/token', now, asking), 401, 'invalid_client')
    expect(await introspect(server, ordersApi, of)).to.deep.equal({ active: false })
  })

  it('go to the stack after their client failed there, so that the rate limits apply (C9)', async () => {
    const clumsy = { ...ordersApi, client_id: 'clumsy' }
    await server.core.clients.declare(defaultTenant, clumsy)
    await server.core.resources.declare(defaultTenant, {
      identifier: api,
      scopes: ['orders:read'],
      introspection_clients: [ordersApi.client_id, clumsy.client_id],
    })
    const wrong = { ...clumsy, client_secret: 'not-the-secret-of-it' }
    const right = () => stackLookUps(server, () => introspect(server, clumsy, token))
    await right()
    expect((await right()).lookUps).to.equal(0)
    expectRefusal(await post(server, '/introspect', wrong, { token }), 401, 'invalid_client')
    expect((await right()).lookUps).to.equal(1)
    let refused = 0
    for (let at = 0; at < 200 && refused === 0; at++) {
      const { status } = await post(server, '/introspect', wrong, { token })
      if (status === 429) refused++
    }
    const before = server.core.counters.read().rate_limited
    expect((await post(server, '/introspect', clumsy, { token })).status).to.equal(429)
    expect(server.core.counters.read().rate_limited - before, 'counted once').to.equal(1)
  })

  it('of a client without a guessable secret are not limited by failures in its name, and few of these are audited (C9, C25)', async () => {
    const { clients, database } = server.core
    const keys = await generateKeyPair('ES256', { extractable: true })
    const { client_secret: _chosen, ...alike } = machine
    const keyed = {
      ...{ ...alike, client_id: 'keyed', token_endpoint_auth_method: 'private_key_jwt' },
      jwks: { keys: [await exportJWK(keys.publicKey)] },
    }
    await clients.declare(defaultTenant, keyed)
    const made = { ...alike, client_id: 'made-here' }
    const { clientSecret = '' } = await clients.declare(defaultTenant, made)
    remember(clientSecret)
    const asserted = async (key: typeof keys.privateKey) => ({
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await new SignJWT({ jti: randomUUID() })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(keyed.client_id)
        .setSubject(keyed.client_id)
        .setAudience(server.issuer)
        .setExpirationTime(new Date(Date.now() + 60_000))
        .sign(key),
    })
    const stranger = await generateKeyPair('ES256')
    const wanted = { grant_type: 'client_credentials' }
    const ways: Record<string, (right: boolean) => Promise<Page>> = {
      keyed: async (right) => {
        const fields = await asserted((right ? keys : stranger).privateKey)
        return post(server, '/token', undefined, { ...wanted, ...fields })
      },
      'made-here': (right) =>
        post(
          server,
          '/token',
          { ...made, client_secret: right ? clientSecret : 'a guess' },
          wanted,
        ),
      spa: (right) => {
        const secret = right ? {} : { client_secret: 'a guess' }
        return post(server, '/device_authorization', { ...spa, ...secret }, {})
      },
    }
    for (const [clientId, send] of Object.entries(ways)) {
      for (let i = 0; i < 33; i++) expectRefusal(await send(false), 401, 'invalid_client')
      const { status } = await send(true)
      // A browser app may not request this, which is checked after authentication.
      expect(status, clientId).to.equal(clientId === spa.client_id ? 400 : 200)
      const [row] = await database.query<{ n: number }>(
        `select sum((detail->>'count')::int)::int n from audit_events
         where type = 'client.authentication_failed' and client_id = $1`,
        [clientId],
      )
      expect(row?.n, clientId).to.be.within(limits.client_told.most, limits.client_told.most + 2)
    }
  })
})
