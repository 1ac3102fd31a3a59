import { generateCodeVerifier, OAuth2Client } from '@badgateway/oauth2-client'
import { expect } from 'chai'
import { AuthorizationCode, ClientCredentials } from 'simple-oauth2'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { challengeOf, verifier } from '../support/protocol.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { declareAsDocumented } from './guide.ts'

describe('small OAuth clients of Node', () => {
  const server = booted(anyStorage, {}, furnish)
  const app = 'http://127.0.0.1:9'
  const credentials = { username: alice.email, password: alice.password }

  const callback = `${app}/callback`
  const declare = (library: string) =>
    declareAsDocumented(server, library, { 'https://app.example.com': app })
  const isActive = async (accessToken: unknown) => {
    const headers = { authorization: `Bearer ${String(accessToken)}` }
    return (await fetch(`${server.issuer}/userinfo`, { headers })).status === 200
  }

  it('simple-oauth2: code with PKCE, refresh, revocation (K-20, K-40)', async () => {
    const { issuer } = server
    const secret = await declare('simple-oauth2')
    const settings = {
      client: { id: 'simple', secret },
      auth: {
        tokenHost: issuer,
        tokenPath: '/token',
        revokePath: '/revoke',
        authorizePath: '/authorize',
      },
    }
    const client = new AuthorizationCode(settings)
    const request = client.authorizeURL({
      redirect_uri: callback,
      scope: 'openid email',
      state: 'the-state',
      code_challenge: challengeOf(verifier),
      code_challenge_method: 'S256',
    } as never)
    const returned = await createUserAgent().walk(request, credentials)
    const code = returned.searchParams.get('code') ?? ''
    const redeemed = { code, redirect_uri: callback, code_verifier: verifier }
    const first = await client.getToken(redeemed)
    expect(await isActive(first.token['access_token'])).to.equal(true)
    const next = await first.refresh()
    expect(next.token['refresh_token']).to.be.a('string')
    expect(next.token['refresh_token']).not.to.equal(first.token['refresh_token'])
    await next.revokeAll()
    expect(await isActive(next.token['access_token'])).to.equal(false)
    expect(await isActive(first.token['access_token'])).to.equal(false)
  })

  it('simple-oauth2: client credentials for a resource (K-20, P-051)', async () => {
    const secret = await declare('simple-oauth2')
    const client = new ClientCredentials({
      client: { id: 'simple-machine', secret },
      auth: { tokenHost: server.issuer, tokenPath: '/token', revokePath: '/revoke' },
    })
    const got = await client.getToken({ resource: 'https://orders.example.com' })
    expect(got.token['scope']).to.equal('orders:read')
    await got.revoke('access_token')
  })

  it('@badgateway/oauth2-client: discovery, code with PKCE, refresh, introspection, revocation (K-20, K-21, K-40)', async () => {
    const { issuer } = server
    const secret = await declare('@badgateway/oauth2-client')
    const client = new OAuth2Client({
      server: issuer,
      clientId: 'badgateway',
      clientSecret: secret,
      authenticationMethod: 'client_secret_basic',
    })
    const codeVerifier = await generateCodeVerifier()
    const about = { redirectUri: callback, codeVerifier, state: 'the-state' }
    const request = await client.authorizationCode.getAuthorizeUri({ ...about, scope: ['openid'] })
    const returned = await createUserAgent().walk(request, credentials)
    const first = await client.authorizationCode.getTokenFromCodeRedirect(returned, about)
    const next = await client.refreshToken(first)
    expect(next.refreshToken).to.be.a('string').and.not.equal(first.refreshToken)
    expect(await client.introspect(next)).to.include({ active: true, client_id: 'badgateway' })
    await client.revoke(next, 'refresh_token')
    expect(await client.introspect(next)).to.deep.equal({ active: false })
  })
})
