import { expect } from 'chai'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, furnishOpaque, opaque, spa, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  expectRefusal,
  expectReturned,
  introspect,
  refresh,
  signIn,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

const minute = 60
const settings = {
  SESSION_IDLE_TTL: String(30 * minute),
  SESSION_ABSOLUTE_TTL: String(100 * minute),
  REFRESH_TOKEN_IDLE_TTL: String(30 * minute),
  REFRESH_TOKEN_ABSOLUTE_TTL: String(100 * minute),
}
const offline = { scope: 'openid offline_access' }

onAnyStorage('lifetimes', (kind) => {
  const server = booted(kind, settings, furnish, furnishOpaque)
  afterEach(backToPresent)

  const silently = authorizeSilently
  function authorizeSilently() {
    return authorizeUrl(server, web, { prompt: 'none' })
  }

  it('a session ends when unused for its idle time (ASVS 7.3.1)', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    for (let i = 0; i < 2; i++) {
      travel(29 * minute)
      const page = await agent.get(silently())
      expect(page.location?.searchParams.has('code'), `${i}`).to.equal(true)
    }
    travel(30 * minute + 1)
    expectReturned(await agent.get(silently()), 'login_required')
  })

  it('a session ends at its absolute time, however much it is used (ASVS 7.3.2)', async () => {
    const agent = createUserAgent()
    await signIn(server, web, {}, agent)
    for (let minutes = 0; minutes < 99; minutes += 11) {
      travel(11 * minute)
      const page = await agent.get(silently())
      expect(page.location?.searchParams.has('code'), `${minutes}`).to.equal(true)
    }
    travel(minute + 1)
    expectReturned(await agent.get(silently()), 'login_required')
  })

  for (const client of [web, spa]) {
    it(`a refresh token of ${client.client_id} ends when unused for its idle time (P-048, ASVS 10.4.8)`, async () => {
      let tokens = await tokensFor(server, client, offline)
      travel(29 * minute)
      tokens = tokensIn(await refresh(server, client, tokens))
      travel(29 * minute)
      tokens = tokensIn(await refresh(server, client, tokens))
      travel(30 * minute + 1)
      expectRefusal(await refresh(server, client, tokens), 400, 'invalid_grant')
    })

    it(`a family of ${client.client_id} ends at its absolute time (ASVS 10.4.8)`, async () => {
      // The clock stands still, so that the time of the sign-in does not count.
      travel(0)
      let tokens = await tokensFor(server, client, offline)
      for (let minutes = 0; minutes < 99; minutes += 11) {
        travel(11 * minute)
        tokens = tokensIn(await refresh(server, client, tokens))
      }
      travel(minute - 1)
      tokens = tokensIn(await refresh(server, client, tokens))
      travel(2)
      expectRefusal(await refresh(server, client, tokens), 400, 'invalid_grant')
    })
  }

  it("a refresh token bound to a session ends with the session's idle time (P-048)", async () => {
    const agent = createUserAgent()
    let tokens = await tokensFor(server, web, {}, agent)
    travel(20 * minute)
    tokens = tokensIn(await refresh(server, web, tokens))
    travel(20 * minute)
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
  })

  for (const resource of [undefined, opaque]) {
    it(`${resource ? 'an opaque' : 'a JWT'} access token ends after ten minutes (P-095, ASVS 9.2.1)`, async () => {
      const { access_token, expires_in } = await tokensFor(server, web, {
        scope: resource ? 'openid read offline_access' : 'openid offline_access',
        resource,
      })
      expect(expires_in).to.equal(600)
      travel(595)
      expect(await introspect(server, web, access_token)).to.include({ active: true })
      if (!resource) expect((await userinfo(server, access_token)).status).to.equal(200)
      travel(6)
      expect(await introspect(server, web, access_token)).to.deep.equal({ active: false })
      // Userinfo tolerates a clock skew of 15 seconds.
      travel(15)
      expect((await userinfo(server, access_token)).status).to.equal(401)
    })
  }

  it('a sign-in that takes longer than an hour has to start over (K-10)', async () => {
    const agent = createUserAgent()
    const form = await agent.follow(await agent.get(authorizeUrl(server, web)))
    travel(61 * minute)
    const page = await agent.submit(form, { fields: { username: 'x', password: 'y' } })
    expect(page.status).to.equal(400)
    expect(page.headers.has('location')).to.equal(false)
  })
})
