import { AsyncLocalStorage } from 'node:async_hooks'
import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { booted } from '../support/boot.ts'
import {
  type Acknowledgement,
  answerRequest,
  askForResult,
  bank,
  openAccount,
  openRequest,
  outcomeOf,
  requestsOn,
  startRequest,
} from '../support/ciba.ts'
import { signOut } from '../support/devices.ts'
import { alice, furnish } from '../support/fixtures.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

const offline = { scope: 'openid offline_access' }

const suite = servicesFound() ? describe : describe.skip
suite('revocation ends backchannel requests, pending and allowed (C4, C5, ASVS 7.4.2)', () => {
  after(backToPresent)
  const server = booted('services', {}, furnish)
  let account: Account
  before(async () => {
    remember(bank.client_secret)
    await server.core.clients.declare('default', bank)
    account = (await server.core.accounts.byIdentifier('default', alice.email)) as Account
  })
  // The clock only goes forward: a later sign-out would void the requests made before it.
  afterEach(async () => {
    travel(5)
    await server.core.database.execute('delete from backchannel_requests', [])
    await server.core.database.execute('delete from denials', [])
  })

  const { client_id } = bank
  const revocations = () => server.core.revocations
  const causes: Record<string, [end: () => Promise<unknown>, again?: () => Promise<unknown>]> = {
    'log out everywhere': [() => revocations().logOutEverywhere(account)],
    'password changed': [() => revocations().passwordChanged(account)],
    'account disabled': [
      () => revocations().setAccountDisabled(account, true),
      () => revocations().setAccountDisabled(account, false),
    ],
    'client disabled': [
      () => revocations().setClientDisabled('default', client_id, true),
      () => revocations().setClientDisabled('default', client_id, false),
    ],
  }

  for (const [cause, [end, again]] of Object.entries(causes)) {
    it(`${cause}: pending and allowed requests end for good`, async () => {
      const allowed = await startRequest(server, offline)
      const agent = await answerRequest(server)
      const waiting = await startRequest(server, offline)
      const page = await openRequest(server, agent)
      travel(1)
      await end()
      travel(1)
      for (const request of [allowed, waiting]) {
        expect((await askForResult(server, request)).status).to.be.within(400, 401)
      }
      travel(2)
      await again?.()
      for (const request of [allowed, waiting]) {
        expectRefusal(await askForResult(server, request), 400, 'expired_token')
      }
      const late = await agent.follow(await agent.submit(page))
      expect(outcomeOf(late), 'the form that was open').not.to.equal('allowed')
      expect(requestsOn(await openAccount(server, createUserAgent()))).to.deep.equal([])
      const fresh = await startRequest(server)
      await answerRequest(server)
      tokensIn(await askForResult(server, fresh))
    })
  }

  it('grant revoked: ends allowed requests, not pending ones', async () => {
    const allowed = await startRequest(server, offline)
    const agent = await answerRequest(server)
    const waiting = await startRequest(server, offline)
    await revocations().revokeGrant('default', account.id, client_id)
    travel(1)
    expectRefusal(await askForResult(server, allowed), 400, 'expired_token')
    await answerRequest(server, '#allow', agent)
    tokensIn(await askForResult(server, waiting))
  })

  it('session ended: ends requests bound to it, not those with offline_access', async () => {
    const bound = await startRequest(server)
    const agent = await answerRequest(server)
    const free = await startRequest(server, offline)
    await answerRequest(server, '#allow', agent)
    await signOut(server, agent)
    expectRefusal(await askForResult(server, bound), 400, 'expired_token')
    tokensIn(await askForResult(server, free))
  })

  it('session ended while the user allows: nothing is allowed, and the page says so (C26)', async () => {
    const outside = AsyncLocalStorage.snapshot()
    const request = await startRequest(server, offline)
    const agent = createUserAgent()
    const page = await openRequest(server, agent)
    const { sessions } = server.core
    const { save } = sessions
    sessions.save = async (tenant, session, ...rest) => {
      await outside(() => sessions.end(tenant, session.uid, 'operator'))
      return save(tenant, session, ...rest)
    }
    const last = await agent.submit(page)
    Object.assign(sessions, { save })
    expect([last.status, outcomeOf(last)]).to.deep.equal([400, 'over'])
    expectRefusal(await askForResult(server, request), 400, 'authorization_pending')
  })

  for (const moment of ['before', 'after'] as const) {
    it(`log out everywhere, ${moment} the decision locks the account: the client gets no tokens (C26)`, async () => {
      const outside = AsyncLocalStorage.snapshot()
      const request: Acknowledgement = await startRequest(server, offline)
      const agent = createUserAgent()
      const page = await openRequest(server, agent)
      const { accounts, backchannelRequests } = server.core
      let ended: Promise<unknown> | undefined
      const end = () => outside(() => revocations().logOutEverywhere(account))
      const { holdSignIn } = accounts
      const { decide } = backchannelRequests
      accounts.holdSignIn = async (...held) => {
        if (moment === 'before') await (ended ??= end())
        return holdSignIn(...held)
      }
      backchannelRequests.decide = async (...decision) => {
        const decided = await decide(...decision)
        if (moment === 'after') ended ??= end()
        return decided
      }
      const last = await agent.submit(page)
      Object.assign(accounts, { holdSignIn })
      Object.assign(backchannelRequests, { decide })
      await ended
      expect(outcomeOf(last)).to.equal(moment === 'before' ? 'over' : 'allowed')
      expectRefusal(await askForResult(server, request), 400, 'expired_token')
    })
  }
})
