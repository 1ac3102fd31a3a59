import { expect } from 'chai'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, api, callback, furnish, spa, web } from '../support/fixtures.ts'
import { createRelyingParty } from '../support/relying-party.ts'
import { createUserAgent } from '../support/user-agent.ts'

onAnyStorage('authorization code with PKCE', (kind) => {
  const server = booted(kind, {}, furnish)

  it('completes with openid-client as a confidential client (K-40, P-056, P-057)', async () => {
    const party = await createRelyingParty({
      issuer: server.issuer,
      clientId: web.client_id,
      clientSecret: web.client_secret,
      redirectUri: callback,
    })
    const request = await party.authorize({ scope: 'openid email' })
    const returned = await createUserAgent().walk(request.url, {
      username: alice.email,
      password: alice.password,
    })
    expect(returned.searchParams.get('iss'), 'iss (RFC 9207)').to.equal(server.issuer)

    const tokens = await party.finish(request, returned)
    expect(tokens.claims()?.['email']).to.equal(alice.email)
    expect(decodeProtectedHeader(tokens.access_token).typ).to.equal('at+jwt')
    const claims = decodeJwt(tokens.access_token)
    expect(claims.aud).to.equal(server.issuer)
    expect(claims['sid']).to.be.a('string')
    expect(tokens.access_token.length).to.be.below(1024)

    const profile = await party.userinfo(tokens.access_token, tokens.claims()?.sub as string)
    expect(profile.email).to.equal(alice.email)

    const refreshed = await party.refresh(tokens.refresh_token as string)
    expect(refreshed.refresh_token).to.be.a('string').and.not.equal(tokens.refresh_token)
    expect(refreshed.claims()?.auth_time).to.equal(tokens.claims()?.auth_time)

    expect(await party.introspect(refreshed.access_token)).to.include({ active: true })
    await party.revoke(refreshed.access_token)
    expect(await party.introspect(refreshed.access_token)).to.deep.equal({ active: false })
    await party.revoke(refreshed.refresh_token as string)
    expect(await party.introspect(refreshed.refresh_token as string)).to.deep.equal({
      active: false,
    })
  })

  it('completes as a public client for a resource (K-40, P-028)', async () => {
    const party = await createRelyingParty({
      issuer: server.issuer,
      clientId: spa.client_id,
      redirectUri: callback,
    })
    const request = await party.authorize({
      scope: 'openid orders:read offline_access',
      resource: api,
    })
    const returned = await createUserAgent().walk(request.url, {
      username: alice.email,
      password: alice.password,
    })
    const tokens = await party.finish(request, returned)
    const claims = decodeJwt(tokens.access_token)
    expect(claims.aud).to.equal(api)
    expect(claims['scope']).to.equal('orders:read')
    expect(tokens.refresh_token).to.be.a('string')
  })
})
