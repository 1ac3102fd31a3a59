import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { api, callback, furnish, machine, spa, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import {
  basic,
  codeFor,
  encode,
  expectRefusal,
  type Fields,
  post,
  redeem,
  tokensFor,
  tokensIn,
} from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

const poster = {
  ...machine,
  client_id: 'poster',
  client_secret: 'the secret of the poster: 100% + ü'.replace('ü', 'u'),
  token_endpoint_auth_method: 'client_secret_post',
}
const odd = { ...machine, client_id: 'odd: 100%+', client_secret: 'with: all+the %signs &=' }
const ask = { grant_type: 'client_credentials', resource: api }

onAnyStorage('token requests', (kind) => {
  const server = booted(kind, {}, furnish)
  const agent = createUserAgent()
  before(async () => {
    for (const client of [poster, odd]) await server.core.clients.declare(defaultTenant, client)
  })

  const send = (body: string, headers: Record<string, string> = {}, method = 'POST', query = '') =>
    exchange({
      method,
      url: new URL(`${server.issuer}/token${query}`),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body,
    })
  const authorized = { authorization: basic(machine) }

  it('get JSON that must not be stored, with type and lifetime (P-041)', async () => {
    const page = await post(server, '/token', machine, ask)
    const tokens = tokensIn(page)
    expect(tokens).to.include({ token_type: 'Bearer', expires_in: 600, scope: 'orders:read' })
    expect(page.headers.get('content-type')).to.match(/^application\/json/)
    expect(page.headers.get('cache-control')).to.equal('no-store')
  })

  it('must use POST; other methods get a JSON error (P-040, K-25)', async () => {
    const { search } = new URL(`http://x/?${encode({ ...ask, client_id: machine.client_id })}`)
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
      const page = await exchange({
        method,
        url: new URL(`${server.issuer}/token${search}`),
        headers: authorized,
      })
      expectRefusal(page, 405, 'invalid_request')
      expect(page.headers.get('allow')).to.include('POST')
    }
    const asBrowser = { ...authorized, accept: 'text/html' }
    expectRefusal(await send('', asBrowser, 'GET'), 405, 'invalid_request')
  })

  it('must have no parameters or credentials in the query (P-040)', async () => {
    const { client_id, client_secret } = machine
    const query = `?${encode({ ...ask, client_id, client_secret })}`
    expectRefusal(await send('', {}, 'POST', query), 400, 'invalid_request')
    const credentials = `?${encode({ client_id, client_secret })}`
    expectRefusal(await send(encode(ask), {}, 'POST', credentials), 400, 'invalid_request')
    expectRefusal(await send('', authorized, 'POST', `?${encode(ask)}`), 400, 'invalid_request')
  })

  it('must be forms; JSON and other bodies get a JSON error (P-040, K-25)', async () => {
    const bodies: [string, string][] = [
      [JSON.stringify(ask), 'application/json'],
      [JSON.stringify(ask), 'application/x-www-form-urlencoded'],
      ['{', 'application/json'],
      [encode(ask), 'text/plain'],
      [encode(ask), 'multipart/form-data; boundary=x'],
      ['', 'application/x-www-form-urlencoded'],
      ['%', 'application/x-www-form-urlencoded'],
      ['grant_type=%ff%fe', 'application/x-www-form-urlencoded'],
      ['&&&===&', 'application/x-www-form-urlencoded'],
      ['grant_type[]=client_credentials', 'application/x-www-form-urlencoded'],
      ['\0\0\0', 'application/x-www-form-urlencoded'],
    ]
    for (const [body, type] of bodies) {
      const page = await send(body, { ...authorized, 'content-type': type, accept: 'text/html' })
      expect(page.status, `${type} ${body}`).to.equal(400)
      expect((page.json() as { error: string }).error).to.be.oneOf([
        'invalid_request',
        'unsupported_grant_type',
      ])
      expect(page.headers.get('cache-control')).to.equal('no-store')
    }
  })

  it('are limited in size and number of parameters (C18)', async () => {
    const many = `${encode(ask)}${'&a'.repeat(10_000)}`
    expectRefusal(await send(many, authorized), 400, 'invalid_request')
    const large = await send(`${encode(ask)}&a=${'x'.repeat(300_000)}`, authorized)
    expect(large.status).to.be.oneOf([400, 413])
    expect((large.json() as { error: string }).error).to.equal('invalid_request')
  })

  it('must not repeat a parameter (P-005)', async () => {
    const code = await codeFor(server, web, {}, agent)
    for (const name of ['grant_type', 'code', 'redirect_uri', 'code_verifier', 'client_id']) {
      const value =
        {
          code,
          redirect_uri: callback,
          client_id: web.client_id,
          grant_type: 'authorization_code',
        }[name] ?? 'x'
      expectRefusal(
        await redeem(server, web, code, { [name]: [value, value] }),
        400,
        'invalid_request',
      )
    }
    const twice = { ...ask, scope: ['orders:read', 'orders:read'] }
    expectRefusal(await post(server, '/token', machine, twice), 400, 'invalid_request')
    tokensIn(await redeem(server, web, code))
  })

  it('must have all parameters; an empty one counts as missing (P-005, P-042)', async () => {
    const code = await codeFor(server, web, {}, agent)
    for (const name of ['grant_type', 'code', 'redirect_uri']) {
      for (const value of ['', undefined]) {
        const page = await redeem(server, web, code, { [name]: value })
        expectRefusal(page, 400, 'invalid_request')
      }
    }
    const refresh = { grant_type: 'refresh_token' }
    expectRefusal(await post(server, '/token', web, refresh), 400, 'invalid_request')
    tokensIn(await redeem(server, web, code, { foo: 'bar' }))
  })

  it('must name a supported grant type: no password, no implicit (ASVS 10.4.4, P-042)', async () => {
    const types = `password implicit hybrid token CLIENT_CREDENTIALS authorization_code_ none __proto__ constructor
      urn:ietf:params:oauth:grant-type:jwt-bearer urn:ietf:params:oauth:grant-type:token-exchange`
    for (const grant_type of types.split(/\s+/)) {
      const fields = { grant_type, username: 'alice@example.com', password: 'x', code: 'x' }
      const page = await post(server, '/token', web, fields)
      expectRefusal(page, 400, 'unsupported_grant_type')
    }
  })

  it('must use a grant type that the client registered (ASVS 10.4.4, P-042)', async () => {
    const wrong: [typeof web | typeof machine, Fields][] = [
      [web, ask],
      [machine, { grant_type: 'authorization_code', code: 'x', redirect_uri: callback }],
      [machine, { grant_type: 'refresh_token', refresh_token: 'x' }],
    ]
    for (const [client, fields] of wrong) {
      expectRefusal(await post(server, '/token', client, fields), 400, 'unauthorized_client')
    }
  })

  it('must authenticate: wrong, missing and malformed credentials get 401 or 400 (P-042, P-043, ASVS 10.4.10)', async () => {
    const wrong = { ...machine, client_secret: 'not-the-secret-of-it' }
    const nobody = { ...machine, client_id: 'nobody' }
    for (const client of [wrong, nobody]) {
      const page = await post(server, '/token', client, ask)
      expectRefusal(page, 401, 'invalid_client')
      expect(page.headers.get('www-authenticate')).to.match(/^Basic /)
    }
    const inBody = { ...poster, client_secret: 'not-the-secret-of-it' }
    expectRefusal(await post(server, '/token', inBody, ask), 401, 'invalid_client')
    const { client_id } = machine
    expectRefusal(await send(encode({ ...ask, client_id })), 401, 'invalid_client')
    expectRefusal(await send(encode(ask)), 400, 'invalid_request')

    const pair = Buffer.from(`${machine.client_id}:${machine.client_secret}`).toString('base64')
    const malformed = `Basic|Basic |basic x|Basic !!!|Basic ${pair}=|Basic ${pair} x|Bearer ${pair}|Basic bm9jb2xvbg==`
    for (const authorization of malformed.split('|')) {
      const page = await send(encode(ask), { authorization })
      expect(page.status, authorization).to.be.oneOf([400, 401])
      expect((page.json() as { error: string }).error).to.match(/^invalid_(request|client)$/)
    }
  })

  it('must use one authentication method only (P-043, ASVS 10.4.10)', async () => {
    const { client_id, client_secret } = machine
    const both = encode({ ...ask, client_id, client_secret })
    expectRefusal(await send(both, authorized), 400, 'invalid_request')
    const assertion = { ...ask, client_assertion: 'a.b.c', client_assertion_type: 'x' }
    const page = await send(encode({ ...assertion, client_id }), authorized)
    expect(page.status).to.be.oneOf([200, 400, 401])
    const mismatch = encode({ ...ask, client_id: web.client_id })
    expectRefusal(await send(mismatch, authorized), 400, 'invalid_request')
  })

  it('must use the registered authentication method (P-043)', async () => {
    tokensIn(await post(server, '/token', poster, ask))
    const asBasic = { ...poster, token_endpoint_auth_method: 'client_secret_basic' }
    const asPost = { ...machine, token_endpoint_auth_method: 'client_secret_post' }
    for (const [client, hint] of [
      [
        asBasic,
        'client is registered for client_secret_post, but the secret was sent in the Authorization header',
      ],
      [asPost, 'client is registered for client_secret_basic, but the secret was sent in the body'],
    ] as const) {
      // Only a client with the right secret is told how to send it.
      const descriptions = [hint, 'client authentication failed']
      for (const client_secret of [client.client_secret, 'not-the-secret-of-it']) {
        const page = await post(server, '/token', { ...client, client_secret }, ask)
        expectRefusal(page, 401, 'invalid_client')
        expect(page.json()).to.include({ error_description: descriptions.shift() })
      }
    }
  })

  it('of a public client with a secret, or of a client without one, get a description of the fault (P-043)', async () => {
    const publicWithSecret = { ...spa, client_secret: 'a-secret-it-does-not-have' }
    for (const token_endpoint_auth_method of ['client_secret_basic', 'client_secret_post']) {
      const client = { ...publicWithSecret, token_endpoint_auth_method }
      const page = await redeem(server, client, 'x')
      expectRefusal(page, 401, 'invalid_client')
      const error_description =
        'client is registered with token_endpoint_auth_method none: send client_id, but no secret or assertion'
      expect(page.json()).to.include({ error_description })
    }
    // The response does not reveal which clients exist.
    for (const client_id of [web.client_id, 'nobody']) {
      for (const path of ['/token', '/par', '/introspect', '/revoke']) {
        const client = { client_id, token_endpoint_auth_method: 'none' }
        const page = await post(server, path, client, { ...ask, token: 'x' })
        expectRefusal(page, 401, 'invalid_client')
        const error_description =
          'the client does not exist, or must authenticate: the request has no client secret or assertion'
        expect(page.json(), path).to.include({ error_description })
      }
    }
  })

  it('may have any characters in the client id and the secret (P-043, RFC 6749 §2.3.1)', async () => {
    tokensIn(await post(server, '/token', odd, ask))
  })

  it('are refused with anything but a code of the client in its place (P-042)', async () => {
    const tokens = await tokensFor(server, web, {}, agent)
    const page = await redeem(server, web, tokens.access_token)
    expectRefusal(page, 400, 'invalid_grant')
    expectRefusal(await redeem(server, web, tokens.refresh_token ?? ''), 400, 'invalid_grant')
    for (const code of ['x', 'x'.repeat(5000), '../../', '\0', 'sha256:x', '${x}']) {
      expectRefusal(await redeem(server, web, code), 400, 'invalid_grant')
    }
  })
})
