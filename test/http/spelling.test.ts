import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { openAccount } from '../support/ciba.ts'
import { furnish, web } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { post, refresh, tokensFor, tokensIn } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'

describe('other spellings of a path (C29)', () => {
  const server = booted(anyStorage, {}, furnish)

  for (const path of ['/token/', '/TOKEN', '/Token', '/token//']) {
    it(`POST ${path} is not the token endpoint`, async () => {
      const tokens = await tokensFor(server, web, { scope: 'openid offline_access' })
      const fields = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
      expect((await post(server, path, web, fields)).status).to.equal(404)
      tokensIn(await refresh(server, web, tokens))
    })
  }

  for (const path of [
    '/logout/confirm/',
    '/LOGOUT/confirm',
    '/logout/CONFIRM',
    '/Authorize',
    '/jwks/',
  ]) {
    it(`GET ${path} answers 404`, async () => {
      const url = new URL(server.issuer + path)
      expect((await exchange({ method: 'GET', url, headers: {} })).status).to.equal(404)
    })
  }

  it('GET with U+0000 answers 404, also when signed in', async () => {
    const agent = createUserAgent()
    await openAccount(server, agent)
    for (const path of ['/account/applications/%00/logo', '/account/applications/a%00/logo']) {
      expect((await agent.get(server.issuer + path)).status, path).to.equal(404)
    }
  })
})
