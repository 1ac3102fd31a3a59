import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import {
  authorizeUrl,
  codeFor,
  expectReturned,
  introspect,
  redeem,
  refresh,
  type Tokens,
  tokensFor,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

/** What a user holds before the revocation. */
interface Held {
  agent: UserAgent
  tokens: Tokens
  bound: Tokens
  code: string
}

/** Revocations by an operator or a user (security class C5: disabled entity × way in). */
const causes = {
  'log out everywhere': (server: TestServer, account: Account) =>
    server.core.revocations.logOutEverywhere(account),
  'password changed': (server: TestServer, account: Account) =>
    server.core.revocations.passwordChanged(account),
  'account disabled': (server: TestServer, account: Account) =>
    server.core.revocations.setAccountDisabled(account, true),
  'client disabled': (server: TestServer) =>
    server.core.revocations.setClientDisabled('default', web.client_id, true),
  'client deleted': (server: TestServer) =>
    server.core.revocations.deleteClient('default', web.client_id),
  'grant revoked': (server: TestServer, account: Account) =>
    server.core.revocations.revokeGrant('default', account.id, web.client_id),
}
type Cause = keyof typeof causes

/** The ways in; each returns whether it still works. */
const ways = {
  refresh: async (server: TestServer, { tokens }: Held) =>
    (await refresh(server, web, tokens)).status === 200,
  'refresh bound to the session': async (server: TestServer, { bound }: Held) =>
    (await refresh(server, web, bound)).status === 200,
  'pending code': async (server: TestServer, { code }: Held) =>
    (await redeem(server, web, code)).status === 200,
  userinfo: async (server: TestServer, { tokens }: Held) =>
    (await userinfo(server, tokens.access_token)).status === 200,
  introspection: async (server: TestServer, { tokens }: Held, cause: Cause) => {
    if (cause === 'client disabled' || cause === 'client deleted') {
      return (await server.core.clients.find('default', web.client_id)) !== undefined
    }
    return (await introspect(server, web, tokens.access_token))['active'] === true
  },
  'session cookie': async (server: TestServer, { agent }: Held) => {
    const page = await agent.get(`${server.issuer}/account`)
    return page.status === 200
  },
} satisfies Record<string, (server: TestServer, held: Held, cause: Cause) => Promise<boolean>>

/** The ways in that a cause does not affect. */
const untouched: Partial<Record<Cause, Array<keyof typeof ways>>> = {
  'client disabled': ['session cookie'],
  'client deleted': ['session cookie'],
  'grant revoked': ['session cookie'],
}

onAnyStorage('revocation and every way in (C4, C5, ASVS 7.4.2)', (kind) => {
  for (const cause of Object.keys(causes) as Cause[]) {
    describe(cause, () => {
      let server: TestServer
      let held: Held
      let answers: Partial<Record<keyof typeof ways, boolean>>

      before(async () => {
        server = await boot(kind)
        await furnish(server)
        const agent = createUserAgent()
        const tokens = await tokensFor(server, web, { scope: 'openid offline_access' }, agent)
        const bound = await tokensFor(server, web, { scope: 'openid' }, agent)
        const code = await codeFor(server, web, { scope: 'openid offline_access' }, agent)
        held = { agent, tokens, bound, code }
        const account = await server.core.accounts.byIdentifier('default', alice.email)
        await causes[cause](server, account as Account)
        answers = {}
        for (const way of Object.keys(ways) as Array<keyof typeof ways>) {
          answers[way] = await ways[way](server, held, cause)
        }
      })
      after(() => server?.stop())

      for (const way of Object.keys(ways) as Array<keyof typeof ways>) {
        const stays = untouched[cause]?.includes(way) ?? false
        it(`${stays ? 'leaves' : 'ends'}: ${way}`, () => {
          expect(answers[way]).to.equal(stays)
        })
      }
    })
  }

  it('an authorization request in flight does not restore an ended session, as the engine alone would', async () => {
    const server = await boot(kind)
    try {
      await furnish(server)
      const agent = createUserAgent()
      tokensIn(await redeem(server, web, await codeFor(server, web, {}, agent)))
      const account = (await server.core.accounts.byIdentifier('default', alice.email)) as Account
      const { sessions } = server.core
      // Ends the session after the request has read it and before it writes it.
      const { save } = sessions
      sessions.save = async (...written) => {
        sessions.save = save
        await server.core.revocations.logOutEverywhere(account)
        return save(...written)
      }
      const page = await agent.get(authorizeUrl(server, web))
      expectReturned(page, 'login_required')
      expectReturned(
        await agent.get(authorizeUrl(server, web, { prompt: 'none' })),
        'login_required',
      )
    } finally {
      await server.stop()
    }
  })

  it('signing in again works at once', async () => {
    const server = await boot(kind)
    try {
      await furnish(server)
      const agent = createUserAgent()
      await tokensFor(server, web, { scope: 'openid offline_access' }, agent)
      const account = (await server.core.accounts.byIdentifier('default', alice.email)) as Account
      await server.core.revocations.logOutEverywhere(account)
      const fresh = await tokensFor(server, web, { scope: 'openid offline_access' }, agent)
      expect(await introspect(server, web, fresh.access_token)).to.include({ active: true })
      tokensIn(await refresh(server, web, fresh))
    } finally {
      await server.stop()
    }
  })
})

onAnyStorage('a sign-in in progress', (kind) => {
  for (const cause of ['log out everywhere', 'password changed', 'account disabled'] as const) {
    it(`is stopped by: ${cause} (C4, C6)`, async () => {
      const server = await boot(kind)
      try {
        await furnish(server)
        const agent = createUserAgent()
        const form = await agent.follow(await agent.get(authorizeUrl(server, web)))
        const { email: username, password } = alice
        const paused = await agent.submit(form, { fields: { username, password } })
        expect(paused.status, 'the password is correct').to.equal(303)

        const account = (await server.core.accounts.byIdentifier('default', alice.email)) as Account
        await causes[cause](server, account)
        const resumed = await agent.follow(await agent.get(paused.location as URL))
        expect(resumed.location?.searchParams.get('code') ?? null).to.equal(null)
        expect((await agent.get(`${server.issuer}/account`)).status, 'not signed in').to.equal(303)
      } finally {
        await server.stop()
      }
    })
  }
})

onAnyStorage('revocation by a node whose clock is behind', (kind) => {
  it('denies tokens with a later issue time (R-08)', async () => {
    const server = await boot(kind)
    try {
      await furnish(server)
      travel(10)
      const tokens = await tokensFor(server, web, { scope: 'openid offline_access' })
      travel(-10)
      const account = (await server.core.accounts.byIdentifier('default', alice.email)) as Account
      await server.core.revocations.logOutEverywhere(account)
      expect(await introspect(server, web, tokens.access_token)).to.deep.equal({ active: false })
    } finally {
      backToPresent()
      await server.stop()
    }
  })
})
