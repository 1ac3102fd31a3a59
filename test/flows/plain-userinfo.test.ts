import { expect } from 'chai'
import { prover } from '../support/dpop.ts'
import { api, machine, opaque, spa } from '../support/fixtures.ts'
import { encode, tokensFor } from '../support/protocol.ts'
import { throughStack } from '../support/stack.ts'
import {
  endedTokens,
  sector,
  short,
  signing,
  type TokenRow,
  type TokenScene,
  tokenScene,
} from '../support/token-scene.ts'

const all = { scope: 'openid profile email' }
const offline = { scope: `${all.scope} offline_access` }
const type = { 'content-type': 'application/x-www-form-urlencoded' }

describe('plain requests for userinfo', () => {
  let scene: TokenScene
  before(async () => {
    scene = await tokenScene()
  })
  after(() => scene?.server.stop())

  const requests: TokenRow[] = [
    { what: 'by GET', plain: true },
    { what: 'by POST', plain: true, form: () => ({ method: 'POST' }) },
    { what: 'with openid only', plain: true, asked: { scope: 'openid' } },
    { what: 'of a pairwise client', plain: true, of: sector },
    { what: 'of a public client', plain: true, of: spa },
    { what: 'with an opaque token', plain: true, at: () => scene.acme },
    {
      what: 'with the scheme in capitals',
      plain: true,
      form: (token) => ({ headers: { authorization: `BEARER ${token}` } }),
    },
    {
      what: 'with another type in Accept',
      plain: true,
      form: (token) => ({
        headers: { authorization: `Bearer ${token}`, accept: 'application/jwt', cookie: 'a=b' },
      }),
    },
    {
      what: 'after a scope was revoked',
      plain: true,
      of: short,
      before: () => scene.setGrantClaims({ scope: 'openid email' }),
    },
    {
      what: 'after a claim was rejected',
      plain: true,
      of: short,
      before: () => scene.setGrantClaims(all, { claims: ['email', 'sub'] }),
      after: () => scene.setGrantClaims(all),
    },

    {
      what: 'with a requested claim',
      plain: false,
      of: short,
      asked: { scope: 'openid', claims: JSON.stringify({ userinfo: { email: null } }) },
    },
    { what: 'of a client with signed userinfo', plain: false, of: signing },
    ...endedTokens(() => scene, offline),
    {
      what: 'of a disabled user, before the deny-list has it',
      plain: false,
      before: () => scene.change('update accounts set disabled_at = now()'),
      after: () => scene.change('update accounts set disabled_at = null'),
    },
    { what: 'without openid', plain: false, asked: { scope: 'profile', nonce: undefined } },
    {
      what: 'with a token for another resource server',
      plain: false,
      asked: { scope: 'openid orders:read', resource: api },
    },
    {
      what: 'with an opaque token for another resource server',
      plain: false,
      asked: { scope: 'openid read', resource: opaque },
    },
    { what: 'with an ID token', plain: false, token: ({ id_token: token = '' }) => token },
    {
      what: 'with a refresh token',
      plain: false,
      asked: offline,
      token: ({ refresh_token: token = '' }) => token,
    },
    { what: 'with a machine token', plain: false, token: () => scene.ofMachine(machine) },
    { what: 'with a broken token', plain: false, token: ({ access_token: token }) => `${token}x` },
    { what: 'without a token', plain: false, form: () => ({ headers: {} }) },
    ...['Bearer', 'Bearer ', 'Bearer  x', 'Bearer x y', 'Basic eDp5', 'DPoP x', 'Bearer "x"'].map(
      (authorization) => ({
        what: `with ${authorization}`,
        plain: false,
        form: () => ({ headers: { authorization } }),
      }),
    ),
    {
      what: 'with a token in the query',
      plain: false,
      form: (token) => ({ path: `/userinfo?access_token=${token}`, headers: {} }),
    },
    {
      what: 'with a token in the body',
      plain: false,
      form: (token) => ({
        ...{ method: 'POST', headers: type },
        body: encode({ access_token: token }),
      }),
    },
    {
      what: 'with tokens in the body and in the header',
      plain: false,
      form: (token) => ({ method: 'POST', body: encode({ access_token: token }) }),
    },
    {
      what: 'with an empty form',
      plain: false,
      form: (token) => ({
        ...{ method: 'POST' },
        headers: { authorization: `Bearer ${token}`, ...type },
      }),
    },
    {
      what: 'with a scope parameter',
      plain: false,
      form: () => ({ path: '/userinfo?scope=openid' }),
    },
    { what: 'in another spelling of the path', plain: false, form: () => ({ path: '/userinfo/' }) },
    { what: 'by HEAD', plain: false, form: () => ({ method: 'HEAD' }) },
    { what: 'by DELETE', plain: false, form: () => ({ method: 'DELETE' }) },
    ...['http://localhost:9', 'https://evil.example'].map((origin) => ({
      what: `from ${origin} (K-23)`,
      plain: false,
      form: (token: string) => ({ headers: { authorization: `Bearer ${token}`, origin } }),
    })),
    {
      what: 'with a preflight',
      plain: false,
      form: () => ({
        method: 'OPTIONS',
        headers: { origin: 'https://a.test', 'access-control-request-method': 'GET' },
      }),
    },
    {
      what: 'with an invalid proof (RFC 9449 §7.1)',
      plain: false,
      form: (token) => ({ headers: { authorization: `Bearer ${token}`, dpop: 'x' } }),
    },
    {
      what: 'with a token for the former default resource server',
      plain: true,
      at: () => scene.acme,
      before: () => scene.setDefaultResource(false),
      after: () => scene.setDefaultResource(true),
    },
    {
      what: 'with an unnecessary proof',
      plain: false,
      form: async (token) => ({
        headers: {
          authorization: `DPoP ${token}`,
          dpop: await (await prover(scene.server))(undefined, token),
        },
      }),
    },
    {
      what: 'with a DPoP-bound token as a bearer token (RFC 9449 §7.2)',
      plain: false,
      token: ({ refresh_token: token }) => scene.bound(token),
      asked: offline,
    },
  ]

  const asking = (token: string) => ({
    ...{ method: 'GET', path: '/userinfo', body: '' },
    headers: { authorization: `Bearer ${token}` },
  })

  it('userinfo runs one Postgres query, on either path', async () => {
    const { access_token: token } = await tokensFor(scene.server, short, all)
    for (const form of [asking(token), throughStack(asking(token))]) {
      expect(await scene.statementsOf(form)).to.have.length(1)
    }
  })

  for (const row of requests) {
    it(`userinfo ${row.what}: same response as the stack${row.plain ? ', on the direct path' : ''}`, async () => {
      await scene.compare({ asked: all, ...row }, asking)
    })
  }
})
