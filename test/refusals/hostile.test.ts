import { expect } from 'chai'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, machine, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { authorizeUrl, basic, encode, type Fields, post } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

describe('explain: hostile input', () => {
  const server = booted(anyStorage, {}, furnish)
  const agent = createUserAgent()

  const ask = (fields: Fields) => agent.get(authorizeUrl(server, web, fields))
  const why = async (page: Page) =>
    (await explain.execute(server.core, {
      id: page.headers.get('request-id') as string,
    })) as Explanation
  const token = (headers: Record<string, string>, fields: Fields = {}) =>
    exchange({
      method: 'POST',
      url: new URL(`${server.issuer}/token`),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: encode({ grant_type: 'client_credentials', ...fields }),
    })

  it('does not prevent other refusals from being stored', async () => {
    await server.core.refusals.flush()
    const honest = await ask({ redirect_uri: 'https://app.example.com/cb' })
    const zero = await post(server, '/token', machine, { grant_type: 'pass\0word' })
    const cut = await ask({ prompt: `${'x'.repeat(999)}\u{1f511}` })
    expect((await why(honest)).check).to.equal('redirect_uri_registered')
    expect((await why(zero)).received).to.equal('pass\\u0000word')
    expect((await why(cut)).received).to.match(/^x{999}\\ud83d$/)
    const long = await agent.get(`${server.issuer}/${'n'.repeat(9000)}`)
    expect((await why(long)).endpoint).to.have.length(1000)
  })

  it('has credentials removed if they come without a scheme (C19)', async () => {
    const secret = Buffer.from('machine:a secret of nobody else 42').toString('base64')
    const { received, reason } = await why(await token({ authorization: secret }))
    expect(`${received} ${reason}`).not.to.include(secret)
    const proof = await why(await token({ authorization: `Basic:${secret}` }))
    expect(`${proof.received} ${proof.reason}`).not.to.include(secret)
    const page = await exchange({
      method: 'GET',
      url: new URL(`${server.issuer}/userinfo`),
      headers: { authorization: secret },
    })
    expect(JSON.stringify(await why(page))).not.to.include(secret)
  })

  it('has secrets removed if they are joined to another parameter by mistake (C19)', async () => {
    const page = await exchange({
      method: 'POST',
      url: new URL(`${server.issuer}/token`),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: basic(web),
      },
      body: 'grant_type=refresh_token;refresh_token=the-token-of-alice;client_secret=s3cret',
    })
    expect((await why(page)).received).to.equal(
      'refresh_token;refresh_token=[18 characters];client_secret=[6 characters]',
    )
  })

  it('has parameters removed from invalid URLs, too (C19)', async () => {
    for (const redirect_uri of [
      'https://app.example.com:99999/cb?code=s3cret-of-alice',
      'app.example.com/cb?code=s3cret-of-alice',
      'https://alice:s3cret-of-alice@app.example.com:port/cb',
      '//alice:s3cret-of-alice@app.example.com/cb#s3cret-of-alice',
    ]) {
      const { received } = await why(await ask({ redirect_uri }))
      expect(received, redirect_uri).to.include('app.example.com').and.not.include('s3cret')
    }
  })

  it('cannot control the terminal of an operator, nor add lines (C12)', async () => {
    const page = await ask({ prompt: 'x\u001b]0;owned\u0007\u001b[2J\nto fix    run this\u202e' })
    const text = explain.render(await why(page))
    expect(text).not.to.match(/[\u001b\u0007\u202e]/)
    expect(text.match(/^to fix/gm)).to.have.length(1)
    expect(text).to.include('\\u001b')
  })
})
