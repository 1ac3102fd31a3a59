import { expect } from 'chai'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, callback, furnish, spa, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  codeFor,
  encode,
  expectErrorPage,
  expectReturned,
  type Fields,
  redeem,
  signIn,
  tokensIn,
} from '../support/protocol.ts'
import { createUserAgent, elsewhere } from '../support/user-agent.ts'

/** The parameters of the response, from the fragment if there is one: errors of token response types go there. */
function answerOf(location: URL | undefined): URLSearchParams {
  return new URLSearchParams(location?.hash.slice(1) || location?.search)
}

onAnyStorage('authorization requests', (kind) => {
  const server = booted(kind, {}, furnish)
  const agent = createUserAgent()
  before(() => signIn(server, web, {}, agent))

  const ask = (fields: Fields) => agent.get(authorizeUrl(server, web, fields))

  it('may repeat only the resource parameter (P-005)', async () => {
    const names = `response_type scope state nonce code_challenge code_challenge_method prompt max_age
      response_mode ui_locales login_hint acr_values display id_token_hint`
    const { searchParams } = authorizeUrl(server, web)
    for (const name of names.split(/\s+/)) {
      const once = searchParams.get(name) ?? '1'
      const page = await ask({ [name]: [once, once] })
      expect(page.headers.get('location') ?? '', name).not.to.match(/[?&]code=/)
      const error = page.location?.searchParams.get('error')
      expect(page.location === undefined ? page.status : error, name).to.be.oneOf([
        400,
        'invalid_request',
      ])
    }
  })

  it('may carry unknown and empty parameters (P-005, K-02)', async () => {
    const unknown = { foo: 'bar', vtr: ['a', 'b'], 'a[b]': 'c', __proto__x: '1', constructor: '1' }
    for (const fields of [unknown, { display: '', ui_locales: '', prompt: '', max_age: '' }]) {
      const page = await ask(fields)
      expect(page.location?.searchParams.get('code'), page.location?.href).to.be.a('string')
    }
  })

  it('are accepted as GET and as cross-site POST (OpenID Connect Core §3.1.2.1, P-006)', async () => {
    const send = async (fields: Fields, query = '', headers = {}) => {
      const { searchParams } = authorizeUrl(server, web, { prompt: 'none', ...fields })
      const url = `${server.issuer}/authorize${query}`
      return agent.follow(await agent.post(url, searchParams, { from: elsewhere, headers }))
    }
    expect(
      (await agent.post(`${server.issuer}/authorize`, {}, { from: elsewhere })).status,
    ).to.equal(303)
    const state = 'a b&c=d+ü%00"<'
    const answer = answerOf((await send({ state })).location)
    expect(answer.get('state')).to.equal(state)
    tokensIn(await redeem(server, web, answer.get('code') ?? ''))
    expectReturned(await send({ nonce: ['1', '2'] }), 'invalid_request')
    expectReturned(await send({ scope: undefined }, '?scope=openid&nonce=x'), 'invalid_request')
    expectErrorPage(await send({ redirect_uri: 'https://evil.example/' }))
    expectErrorPage(await send({ state: 'x'.repeat(9000) }), 413)
    expectErrorPage(await send({}, '', { 'content-type': 'application/json' }), 400)
  })

  it('are refused unless the response type is code (P-025, ASVS 10.4.4, 10.6.1)', async () => {
    const types = `token id_token none id_token_token code_token code_id_token code_id_token_token
      token_id_token CODE x`
    for (const type of types.split(/\s+/)) {
      const page = await ask({
        response_type: type.replaceAll('_token', ' token').replaceAll('_', ' '),
      })
      expect(answerOf(page.location).get('error'), type).to.equal('unsupported_response_type')
      expect(page.headers.get('location')).not.to.match(/access_token|id_token=|[?&#]code=/)
    }
    expectReturned(await ask({ response_type: undefined }), 'invalid_request')
  })

  it('return state and iss, with a code and with an error (P-011, P-012, K-27)', async () => {
    const states = [
      'x',
      'a b&c=d',
      '"<script>',
      'ü€😀',
      '%00',
      'x\r\nSet-Cookie: a=b',
      'x'.repeat(4096),
    ]
    for (const state of states) {
      for (const fields of [{}, { response_type: 'token' }, { prompt: 'none login' }]) {
        const { location } = await ask({ state, ...fields })
        const answer = answerOf(location)
        expect(answer.getAll('state')).to.deep.equal([state])
        expect(answer.getAll('iss')).to.deep.equal([server.issuer])
        expect(answer.has('code') || answer.has('error')).to.equal(true)
      }
    }
    const stateless = await ask({ state: undefined })
    expect(stateless.location?.searchParams.has('state')).to.equal(false)
  })

  it('are refused if they contain NUL, as are usernames with it (P-012, K-10)', async () => {
    for (const name of ['state', 'nonce', 'login_hint', 'scope', 'acr_values']) {
      expectErrorPage(await ask({ [name]: 'a\0b' }))
    }
    const fresh = createUserAgent()
    const form = await fresh.follow(await fresh.get(authorizeUrl(server, web)))
    for (const username of [`${alice.email}\0`, '\0', 'x'.repeat(10_000), "' or 1=1 --"]) {
      const page = await fresh.submit(form, { fields: { username, password: alice.password } })
      expect(page.status, username.slice(0, 50)).to.equal(403)
    }
    const empty = await fresh.submit(form, { fields: { username: '', password: '' } })
    expect(empty.status).to.equal(400)
    expect(empty.root.querySelector('input[name=password]')).not.to.equal(null)
  })

  it('return a nonce of up to 2 KB, and longer values of state and nonce cause no 500 (P-026, K-02)', async () => {
    for (const length of [1, 64, 2048]) {
      const nonce = 'n'.repeat(length)
      const code = await codeFor(server, web, { nonce, state: 's'.repeat(length) }, agent)
      const { id_token } = tokensIn(await redeem(server, web, code))
      const payload = Buffer.from(id_token?.split('.')[1] ?? '', 'base64url').toString()
      expect((JSON.parse(payload) as { nonce: string }).nonce).to.equal(nonce)
    }
    for (const fields of [{ nonce: 'n'.repeat(15_000) }, { state: 's'.repeat(15_000) }]) {
      for (const browser of [agent, createUserAgent()]) {
        const page = await browser.get(authorizeUrl(server, web, fields))
        expect(page.status).to.be.below(500)
      }
    }
  })

  it('with more than 200 parameters are refused (C18)', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => i % 10)
    expectErrorPage(
      await agent.get(
        `${server.issuer}/authorize?${many
          .map((i) => `a=${i}`)
          .join('&')
          .slice(0, 12_000)}`,
      ),
    )
  })

  it('are answered in the requested response mode (P-011, K-40)', async () => {
    const page = await ask({ response_mode: 'form_post' })
    expect(page.status).to.equal(200)
    const form = page.root.querySelector('form')
    expect(form?.getAttribute('action')).to.equal(callback)
    expect(form?.getAttribute('method')?.toLowerCase()).to.equal('post')
    const value = (name: string) =>
      form?.querySelector(`input[name=${name}]`)?.getAttribute('value')
    expect(value('state')).to.equal('the-state')
    expect(value('iss')).to.equal(server.issuer)
    tokensIn(await redeem(server, web, value('code') ?? ''))
    const policy = page.headers.get('content-security-policy')
    expect(policy)
      .to.match(/frame-ancestors 'none'/)
      .and.match(/script-src 'self';/)
    expect(page.body).not.to.match(/<script(?![^>]* src=)|\son\w+=/)

    const refused = await ask({ response_mode: 'form_post', scope: 'openid', prompt: 'none login' })
    const error = refused.root.querySelector('form input[name=error]')?.getAttribute('value')
    expect(error).to.equal('invalid_request')
    expect(refused.root.querySelector('form input[name=iss]')).not.to.equal(null)

    const inQuery = await ask({ response_mode: 'query' })
    expect(inQuery.location?.searchParams.has('code')).to.equal(true)
    for (const response_mode of ['web_message', 'x']) {
      const unknown = await ask({ response_mode })
      expect(unknown.headers.get('location') ?? '').not.to.match(/[?&]code=/)
    }
  })

  it('are answered with an escaped form_post (P-071)', async () => {
    const state = '"><script>alert(1)</script>'
    const page = await ask({ response_mode: 'form_post', state })
    expect(page.body).not.to.include('<script>alert')
    const carried = page.root.querySelector('input[name=state]')?.getAttribute('value')
    expect(carried).to.equal(state)
  })

  it('with request objects, request_uri or registration get the specified error codes (P-022, P-024)', async () => {
    expectReturned(await ask({ request: 'a.b.c' }), 'invalid_request_object')
    expectReturned(await ask({ request_uri: 'https://evil.example/' }), 'request_uri_not_supported')
    expectReturned(await ask({ registration: '{}' }), 'registration_not_supported')
  })

  it('reflect nothing unescaped on error pages (P-071, P-014)', async () => {
    const page = await agent.get(
      `${server.issuer}/authorize?${encode({ client_id: '<img src=x>', redirect_uri: '"><script>' })}`,
    )
    expectErrorPage(page)
    expect(page.body).not.to.match(/<img src=x>|"><script>/)
    expect(page.headers.get('content-security-policy')).to.match(/frame-ancestors 'none'/)
    expect(page.headers.get('x-frame-options')).to.equal('DENY')
  })

  it('get no CORS headers (P-015, K-23)', async () => {
    for (const origin of ['http://localhost:9', 'https://evil.example', 'null', server.issuer]) {
      for (const url of [
        authorizeUrl(server, spa),
        authorizeUrl(server, spa, { scope: undefined }),
      ]) {
        const page = await agent.get(url, { headers: { origin } })
        expect(page.headers.has('access-control-allow-origin'), origin).to.equal(false)
      }
    }
  })
})
