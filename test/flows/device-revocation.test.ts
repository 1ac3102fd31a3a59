import { AsyncLocalStorage } from 'node:async_hooks'
import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import {
  allowDevice,
  askFor,
  type DeviceAuthorization,
  enterCode,
  finishSteps,
  outcomeOf,
  signOut,
  startDevice,
} from '../support/devices.ts'
import { alice, furnish, tv } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import { expectRefusal, tokensIn } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

/** Each test has its own tenant, which it may disable. */
interface Scene {
  server: TestServer
  tenant: string
  account: Account
  agent: UserAgent
}

/** Ends access, or restores it where that is possible. */
type Act = (scene: Scene) => Promise<unknown>
const revocations = ({ server }: Scene) => server.core.revocations
const causes: Record<string, [end: Act, again?: Act]> = {
  'log out everywhere': [(scene) => revocations(scene).logOutEverywhere(scene.account)],
  'password changed': [(scene) => revocations(scene).passwordChanged(scene.account)],
  'account disabled': [
    (scene) => revocations(scene).setAccountDisabled(scene.account, true),
    (scene) => revocations(scene).setAccountDisabled(scene.account, false),
  ],
  'client disabled': [
    (scene) => revocations(scene).setClientDisabled(scene.tenant, tv.client_id, true),
    (scene) => revocations(scene).setClientDisabled(scene.tenant, tv.client_id, false),
  ],
  'client deleted': [(scene) => revocations(scene).deleteClient(scene.tenant, tv.client_id)],
  'grant revoked': [
    (scene) => revocations(scene).revokeGrant(scene.tenant, scene.account.id, tv.client_id),
  ],
  'tenant disabled': [(scene) => revocations(scene).setTenantDisabled(scene.tenant, true)],
}

/** Allowed codes, by what they depend on. */
const codes = {
  'with offline_access': { scope: 'openid offline_access', leaves: false },
  'with offline_access, its browser signed out': { scope: 'openid offline_access', leaves: true },
  'bound to the session': { scope: 'openid', leaves: false },
  'without openid': { scope: 'orders:read', leaves: false },
} as const

onAnyStorage('revocation ends allowed device codes (C4, C5, ASVS 7.4.2)', (kind) => {
  let booted: TestServer
  let scene: Scene
  let tenants = 0
  before(async () => {
    booted = await boot(kind)
  })
  beforeEach(async () => {
    const tenant = `acme-${tenants++}`
    await booted.core.tenants.declare({ id: tenant, name: 'Acme' })
    await furnish(booted, tenant)
    const server = { ...booted, issuer: `${booted.issuer}/t/${tenant}` }
    const account = (await booted.core.accounts.byIdentifier(tenant, alice.email)) as Account
    scene = { server, tenant, account, agent: createUserAgent() }
  })
  afterEach(backToPresent)
  after(() => booted?.stop())

  const ask = (device: DeviceAuthorization) => askFor(scene.server, device)

  for (const [cause, [end, again]] of Object.entries(causes)) {
    it(`${cause}: ends all allowed codes for good`, async () => {
      const { server } = scene
      const devices: Record<string, DeviceAuthorization> = {}
      for (const [what, { scope, leaves }] of Object.entries(codes)) {
        const device = await startDevice(
          server,
          scope.startsWith('orders') ? { scope, resource: 'https://api.example.com' } : { scope },
        )
        const agent = await allowDevice(server, device, leaves ? createUserAgent() : scene.agent)
        if (leaves) await signOut(server, agent)
        devices[what] = device
      }
      const control = await startDevice(server)
      await allowDevice(server, control, scene.agent)
      tokensIn(await ask(control))

      travel(1)
      await end(scene)
      travel(1)
      for (const [what, device] of Object.entries(devices)) {
        expect((await ask(device)).status, what).to.be.within(400, 404)
      }
      if (!again) return
      travel(2)
      await again(scene)
      travel(2)
      for (const device of Object.values(devices)) {
        expectRefusal(await ask(device), 400, 'expired_token')
      }
      const fresh = await startDevice(server)
      await allowDevice(server, fresh, createUserAgent())
      tokensIn(await ask(fresh))
    })
  }

  it('session ended: ends codes bound to it, not those with offline_access', async () => {
    const { server, agent } = scene
    const bound = await startDevice(server, { scope: 'openid' })
    const free = await startDevice(server)
    await allowDevice(server, bound, agent)
    await allowDevice(server, free, agent)
    await signOut(server, agent)
    expectRefusal(await ask(bound), 400, 'expired_token')
    tokensIn(await ask(free))
  })

  it('log out everywhere does not affect a code that is still pending', async () => {
    const { server } = scene
    const device = await startDevice(server)
    await causes['log out everywhere']?.[0](scene)
    expectRefusal(await ask(device), 400, 'authorization_pending')
    await allowDevice(server, device, createUserAgent())
    tokensIn(await ask(device))
  })

  it('no code returns when Redis comes back empty', async () => {
    const { server, agent } = scene
    const device = await startDevice(server)
    await allowDevice(server, device, agent)
    await causes['log out everywhere']?.[0](scene)
    await forgetShortLived(booted.core, booted.env)
    expectRefusal(await ask(device), 400, 'expired_token')
    expect((await enterCode(server, createUserAgent(), device.user_code)).status).to.equal(400)
  })

  // Embedded storage has one connection, so nothing can run in between.
  if (kind === 'embedded') return

  const ofAccount = ['log out everywhere', 'password changed', 'account disabled']
  const meanwhile: Record<string, Act> = {
    ...Object.fromEntries(ofAccount.map((cause) => [cause, causes[cause]?.[0] as Act])),
    'session ended': async ({ tenant, account }) => {
      const [row] = await booted.core.database.query<{ uid: string }>(
        'select uid from sessions where account_id = $1 and ended_at is null',
        [account.id],
      )
      await booted.core.sessions.end(tenant, row?.uid as string, 'signed_out')
    },
  }
  for (const [cause, end] of Object.entries(meanwhile)) {
    for (const moment of ['before', 'after'] as const) {
      const outlives = cause === 'session ended' && moment === 'after'
      it(`${cause}, ${moment} the decision locks the sign-in: ${outlives ? 'offline access outlives it' : 'a device gets nothing'} (C26)`, async () => {
        const { server, agent } = scene
        const outside = AsyncLocalStorage.snapshot()
        const device = await startDevice(server)
        const start = await enterCode(server, agent, device.user_code)
        const { accounts, sessions } = booted.core
        // The calls: the sign-in, the consent, then the decision, which locks first the account, then the session.
        let calls = 0
        let ended: Promise<unknown> | undefined
        const { holdSignIn } = accounts
        accounts.holdSignIn = async (...held) => {
          calls += 1
          if (calls === 3 && moment === 'before') await outside(() => end(scene))
          return holdSignIn(...held)
        }
        const { hold } = sessions
        sessions.hold = async (...held) => {
          const isHeld = await hold(...held)
          if (calls === 3 && moment === 'after') ended ??= outside(() => end(scene))
          return isHeld
        }
        const last = await finishSteps(agent, start).finally(() => {
          Object.assign(accounts, { holdSignIn })
          Object.assign(sessions, { hold })
        })
        await ended
        expect(outcomeOf(last)).to.equal(moment === 'before' ? 'over' : 'allowed')
        const answer = await ask(device)
        if (outlives) tokensIn(answer)
        else {
          const refusal = moment === 'before' ? 'authorization_pending' : 'expired_token'
          expectRefusal(answer, 400, refusal)
        }
      })
    }
  }
})
