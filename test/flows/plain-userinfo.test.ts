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
    { what: 'with openid alone', plain: true, asked: { scope: 'openid' } },
    { what: 'of a pairwise client', plain: true, of: sector },
    { what: 'of a public client', plain: true, of: spa },
    { what: 'by an opaque token', plain: true, at: () => scene.acme },
    {
      what: 'with a scheme in capitals',
      plain: true,
      form: (token) => ({ headers: { authorization: `BEARER ${token}` } }),
    },
    {
      what: 'that would rather have another type',
      plain: true,
      form: (token) => ({
        headers: { authorization: `Bearer ${token}`, accept: 'application/jwt', cookie: 'a=b' },
      }),
    },
    {
      what: 'after a scope was taken back',
      plain: true,
      of: short,
      before: () => scene.grantIs({ scope: 'openid email' }),
    },
    {
      what: 'after a claim was refused',
      plain: true,
      of: short,
      before: () => scene.grantIs(all, { claims: ['email', 'sub'] }),
      after: () => scene.grantIs(all),
    },

    {
      what: 'that asked for a claim',
      plain: false,
      of: short,
      asked: { scope: 'openid', claims: JSON.stringify({ userinfo: { email: null } }) },
    },
    { what: 'of a client that wants it signed', plain: false, of: signing },
    ...endedTokens(() => scene, offline),
    {
      what: 'of a person who is disabled, and nobody was told',
      plain: false,
      before: () => scene.change('update accounts set disabled_at = now()'),
      after: () => scene.change('update accounts set disabled_at = null'),
    },
    { what: 'without openid', plain: false, asked: { scope: 'profile', nonce: undefined } },
    {
      what: 'by a token for another resource server',
      plain: false,
      asked: { scope: 'openid orders:read', resource: api },
    },
    {
      what: 'by an opaque one for another',
      plain: false,
      asked: { scope: 'openid read', resource: opaque },
    },
    { what: 'by an ID token', plain: false, token: ({ id_token: token = '' }) => token },
    {
      what: 'by a refresh token',
      plain: false,
      asked: offline,
      token: ({ refresh_token: token = '' }) => token,
    },
    { what: 'by the token of a machine', plain: false, token: () => scene.ofMachine(machine) },
    { what: 'by a broken token', plain: false, token: ({ access_token: token }) => `${token}x` },
    { what: 'by none', plain: false, form: () => ({ headers: {} }) },
    ...['Bearer', 'Bearer ', 'Bearer  x', 'Bearer x y', 'Basic eDp5', 'DPoP x', 'Bearer "x"'].map(
      (authorization) => ({
        what: `by ${authorization}`,
        plain: false,
        form: () => ({ headers: { authorization } }),
      }),
    ),
    {
      what: 'by a token in the query',
      plain: false,
      form: (token) => ({ path: `/userinfo?access_token=${token}`, headers: {} }),
    },
    {
      what: 'by one in the body',
      plain: false,
      form: (token) => ({
        ...{ method: 'POST', headers: type },
        body: encode({ access_token: token }),
      }),
    },
    {
      what: 'by one in the body and one in the header',
      plain: false,
      form: (token) => ({ method: 'POST', body: encode({ access_token: token }) }),
    },
    {
      what: 'with a form that is empty',
      plain: false,
      form: (token) => ({
        ...{ method: 'POST' },
        headers: { authorization: `Bearer ${token}`, ...type },
      }),
    },
    {
      what: 'that narrows the scope',
      plain: false,
      form: () => ({ path: '/userinfo?scope=openid' }),
    },
    { what: 'in another spelling', plain: false, form: () => ({ path: '/userinfo/' }) },
    { what: 'by HEAD', plain: false, form: () => ({ method: 'HEAD' }) },
    { what: 'by DELETE', plain: false, form: () => ({ method: 'DELETE' }) },
    ...['http://localhost:9', 'https://evil.example'].map((origin) => ({
      what: `from ${origin} (P-044)`,
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
      what: 'with a proof that is none (RFC 9449 §7.1)',
      plain: false,
      form: (token) => ({ headers: { authorization: `Bearer ${token}`, dpop: 'x' } }),
    },
    {
      what: 'by a token for what was the default resource server then',
      plain: true,
      at: () => scene.acme,
      before: () => scene.defaultIs(false),
      after: () => scene.defaultIs(true),
    },
    {
      what: 'with a proof that nobody asked for',
      plain: false,
      form: async (token) => ({
        headers: {
          authorization: `DPoP ${token}`,
          dpop: await (await prover(scene.server))(undefined, token),
        },
      }),
    },
    {
      what: 'by the token of a key, as if it had none (RFC 9449 §7.2)',
      plain: false,
      token: ({ refresh_token: token }) => scene.bound(token),
      asked: offline,
    },
  ]

  const asking = (token: string) => ({
    ...{ method: 'GET', path: '/userinfo', body: '' },
    headers: { authorization: `Bearer ${token}` },
  })

  it('userinfo asks Postgres once, whichever way', async () => {
    const { access_token: token } = await tokensFor(scene.server, short, all)
    for (const form of [asking(token), throughStack(asking(token))]) {
      expect(await scene.statementsOf(form)).to.have.length(1)
    }
  })

  for (const row of requests) {
    it(`userinfo ${row.what}: as the stack does${row.plain ? ', ahead of it' : ''}`, async () => {
      await scene.compare({ asked: all, ...row }, asking)
    })
  }
})
