import { expect } from 'chai'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { callback, furnish, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  encode,
  expectErrorPage,
  expectReturned,
  type Fields,
  post,
  signIn,
  tokensFor,
} from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

/** A client that no operator vouches for. */
const stranger = {
  ...web,
  client_id: 'stranger',
  client_name: 'Your bank',
  errors_need_sign_in: true,
}
const app = {
  ...stranger,
  client_id: 'stranger-app',
  application_type: 'native',
  redirect_uris: ['com.example.app:/back'],
}

const tooMuch = { scope: 'openid "all"' }

describe('errors of authorization requests (P-016, RFC 9700 §4.11.2)', () => {
  const server = booted(anyStorage, {}, furnish)
  let agent: UserAgent
  before(async () => {
    await server.core.clients.declare(defaultTenant, stranger)
    await server.core.clients.declare(defaultTenant, app)
  })
  beforeEach(() => {
    agent = createUserAgent()
  })

  const ask = (fields: Fields, client: { client_id: string } = stranger) =>
    agent.get(authorizeUrl(server, client, fields))

  /** The way back that the page offers: a link, or a form with its fields. */
  function returnForm(page: Page): { to: string; fields: Record<string, string> } {
    const link = page.root.querySelector('a#way-back')
    if (link) return { to: link.getAttribute('href') ?? '', fields: {} }
    const form = page.root.querySelector('form#way-back-form')
    const inputs = form?.querySelectorAll('input') ?? []
    return {
      to: form?.getAttribute('action') ?? '',
      fields: Object.fromEntries(
        inputs.map((input) => [input.getAttribute('name'), input.getAttribute('value')]),
      ),
    }
  }

  const faults: Record<string, [Fields, string]> = {
    scope: [tooMuch, 'invalid_scope'],
    'response type': [{ response_type: 'token' }, 'unsupported_response_type'],
    challenge: [{ code_challenge: undefined }, 'invalid_request'],
    resource: [{ resource: 'https://nobody.example' }, 'invalid_target'],
    prompt: [{ prompt: 'none login' }, 'invalid_request'],
    'request object': [{ request: 'a.b.c' }, 'invalid_request_object'],
    'request uri': [{ request_uri: 'https://evil.example/' }, 'request_uri_not_supported'],
    'a parameter twice': [{ nonce: ['a', 'b'] }, 'invalid_request'],
    'response mode': [{ response_mode: 'x' }, 'unsupported_response_mode'],
  }

  it('are shown to users who are not signed in, with the host and a way back', async () => {
    for (const [what, [fields, error]] of Object.entries(faults)) {
      const page = await ask(fields)
      expectErrorPage(page)
      expect(page.root.querySelector('#error-code')?.textContent, what).to.equal(error)
      expect(page.root.querySelector('#way-back-host')?.textContent, what).to.equal('localhost:9')
      const back = new URL(returnForm(page).to)
      expect(back.origin + back.pathname, what).to.equal(callback)
      const answer = new URLSearchParams(back.hash.slice(1) || back.search)
      expect(answer.get('error'), what).to.equal(error)
      expect(answer.get('state'), what).to.equal('the-state')
      expect(answer.get('iss'), what).to.equal(server.issuer)
    }
  })

  it('are shown with a form for form_post, which is not submitted automatically', async () => {
    const page = await ask({ ...tooMuch, response_mode: 'form_post' })
    expectErrorPage(page)
    expect(
      page.root.querySelectorAll('script').map((script) => script.getAttribute('src')),
    ).to.satisfy(
      (sources: string[]) => sources.length === 1 && /\/once\.js\?/.test(sources[0] ?? ''),
    )
    expect(page.headers.get('content-security-policy')).not.to.match(/sha256/)
    const { to, fields } = returnForm(page)
    expect(to).to.equal(callback)
    expect(fields).to.include({ error: 'invalid_scope', state: 'the-state', iss: server.issuer })
  })

  it('are shown with a signed response', async () => {
    for (const response_mode of ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt']) {
      const page = await ask({ ...tooMuch, response_mode })
      expectErrorPage(page)
      const { to, fields } = returnForm(page)
      const back = new URL(to)
      const answer = new URLSearchParams(back.hash.slice(1) || back.search)
      expect(fields['response'] ?? answer.get('response'), response_mode).to.match(/^ey/)
    }
  })

  it('are shown after a cancelled sign-in', async () => {
    const page = await agent.follow(await ask({}))
    const cancelled = await agent.submit(page, { form: 'form[action$=abort]' })
    const shown = await agent.follow(cancelled)
    expectErrorPage(shown)
    expect(new URL(returnForm(shown).to).searchParams.get('error')).to.equal('access_denied')
  })

  it('of a native app are shown with its scheme', async () => {
    const fields = { ...tooMuch, redirect_uri: 'com.example.app:/back' }
    const page = await ask(fields, app)
    expectErrorPage(page)
    expect(page.root.querySelector('#way-back-host')?.textContent).to.equal('com.example.app:')
    expect(returnForm(page).to).to.match(/^com\.example\.app:\/back\?error=invalid_scope/)
  })

  it('are returned as JSON without a redirect to a program', async () => {
    const page = await exchange({
      method: 'GET',
      url: authorizeUrl(server, stranger, { ...tooMuch }),
      headers: { accept: 'application/json' },
    })
    expect(page.status).to.equal(400)
    expect(page.headers.has('location')).to.equal(false)
    expect(page.json()).to.include({ error: 'invalid_scope' })
  })

  it('of a pushed request are shown', async () => {
    const { searchParams } = authorizeUrl(server, stranger)
    const pushed = await post(server, '/par', stranger, Object.fromEntries(searchParams))
    const { request_uri } = pushed.json() as { request_uri: string }
    const at = `${server.issuer}/authorize?${encode({ client_id: 'stranger', request_uri })}`
    const page = await agent.follow(await agent.get(at))
    const cancelled = await agent.submit(page, { form: 'form[action$=abort]' })
    expectErrorPage(await agent.follow(cancelled))
  })

  it('are redirected at once when the user is signed in', async () => {
    await signIn(server, stranger, {}, agent)
    for (const [fields, error] of Object.values(faults)) {
      const { location, status } = await ask(fields)
      const answer = new URLSearchParams(location?.hash.slice(1) || location?.search)
      expect([status, answer.get('error')]).to.deep.equal([303, error])
    }
    const form = await ask({ ...tooMuch, response_mode: 'form_post' })
    expect(form.root.querySelector('form')?.getAttribute('action')).to.equal(callback)
    expect(form.root.querySelector('#way-back-form')).to.equal(null)
  })

  it('are redirected at once for prompt=none, which shows no page', async () => {
    expectReturned(await ask({ prompt: 'none' }), 'login_required')
    expectReturned(await ask({ prompt: 'none', ...tooMuch }), 'invalid_scope')
  })

  it('are redirected at once to a client that an operator vouches for: the usual case', async () => {
    for (const [fields, error] of Object.values(faults)) {
      const { location, status } = await ask(fields, web)
      const answer = new URLSearchParams(location?.hash.slice(1) || location?.search)
      expect([status, answer.get('error')]).to.deep.equal([303, error])
    }
  })

  it('do not occur for a valid request', async () => {
    expect((await tokensFor(server, stranger, {}, agent)).access_token).to.be.a('string')
    const form = await ask({ response_mode: 'form_post' })
    expect(form.root.querySelector('input[name=code]')).not.to.equal(null)
  })
})
