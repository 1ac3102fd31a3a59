import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { machine, opaque, ordersApi, spa, web } from '../support/fixtures.ts'
import { basic, encode, type StoryClient, tokensFor } from '../support/protocol.ts'
import { throughStack } from '../support/stack.ts'
import {
  endedTokens,
  reader,
  sector,
  type TokenRow,
  type TokenScene,
  tokenScene,
} from '../support/token-scene.ts'

const handle = { scope: 'openid read offline_access', resource: opaque }

describe('plain introspection of opaque tokens', () => {
  let scene: TokenScene
  before(async () => {
    scene = await tokenScene()
  })
  after(() => scene?.server.stop())

  const asking = (by: StoryClient) => (token: string) => ({
    headers: { authorization: basic(by) },
    body: encode({ token }),
  })
  const introspections: TokenRow[] = [
    { what: 'by its client', plain: true, form: asking(web) },
    { what: 'by its resource server', plain: true },
    {
      what: 'with a wrong hint',
      plain: true,
      form: (token) => ({ body: encode({ token, token_type_hint: 'refresh_token' }) }),
    },
    {
      what: 'that ends with its session',
      plain: true,
      asked: { scope: 'openid read', resource: opaque },
    },
    { what: 'without scopes', plain: true, asked: { scope: 'openid', resource: opaque } },
    { what: 'of a pairwise client', plain: true, of: sector },
    { what: 'of a pairwise client, by that client', plain: true, of: sector, form: asking(sector) },
    { what: 'of a public client', plain: true, of: spa },
    { what: 'of a machine', plain: true, token: () => scene.ofMachine(reader, opaque) },
    {
      what: 'of a machine, by that machine',
      plain: true,
      token: () => scene.ofMachine(reader, opaque),
      form: asking(reader),
    },
    {
      what: 'bound to a key (RFC 9449 §6.2)',
      plain: true,
      token: ({ refresh_token: token }) => scene.bound(token),
    },

    ...endedTokens(() => scene, handle),
    {
      what: 'of a disabled user',
      plain: false,
      async before({ id_token = '' }) {
        const account = await scene.server.core.accounts.find(
          defaultTenant,
          decodeJwt(id_token).sub ?? '',
        )
        if (account) await scene.server.core.revocations.setAccountDisabled(account, true)
      },
      async after() {
        scene.forgetBrowsers()
        await scene.change('update accounts set disabled_at = null')
      },
    },
    {
      what: 'whose session has ended, before the deny-list has it',
      plain: false,
      asked: { scope: 'openid read', resource: opaque },
      before: () => scene.change('update sessions set ended_at = now()'),
      after: () => scene.forgetBrowsers(),
    },
    { what: 'by another client', plain: false, form: asking(machine) },
    {
      what: 'that is a refresh token, by its client',
      plain: false,
      token: ({ refresh_token: token = '' }) => token,
      form: asking(web),
    },
    { what: 'that is unknown', plain: false, token: ({ access_token: token }) => `${token}x` },
    {
      what: 'that is the hash of a token',
      plain: false,
      token: ({ access_token: token }) => `sha256:${hashOf(token)}`,
    },
  ]

  const usual = (token: string) => ({ path: '/introspect', ...asking(ordersApi)(token) })

  it('introspection of an opaque token runs one Postgres query, on either path', async () => {
    const { access_token: token } = await tokensFor(scene.server, web, handle)
    for (const form of [usual(token), throughStack(usual(token))]) {
      expect(await scene.statementsOf(form)).to.have.length(1)
    }
  })

  for (const row of introspections) {
    it(`introspection of an opaque token ${row.what}: same response as the stack${row.plain ? ', on the direct path' : ''}`, async () => {
      await scene.compare({ asked: handle, ...row }, usual)
    })
  }
})
