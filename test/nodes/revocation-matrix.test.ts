import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { accountsDisable, accountsReset, accountsSignOut } from '../../src/cli/accounts-change.ts'
import { accountsSignOutAll } from '../../src/cli/accounts-sign-out-all.ts'
import { clientsDelete, clientsDisable } from '../../src/cli/clients-disable.ts'
import { grantsRevoke } from '../../src/cli/grants.ts'
import { sessionsEnd, sessionsList } from '../../src/cli/sessions.ts'
import { tenantsDisable } from '../../src/cli/tenants.ts'
import { cibaGrant, deviceCodeGrant } from '../../src/clients/client.ts'
import type { Core } from '../../src/core.ts'
import { type Revocation, reaches } from '../../src/revocation/revocation.ts'
import { serverAt } from '../outages/load.ts'
import type { TestServer } from '../support/boot.ts'
import { answerRequest, askForResult, startRequest } from '../support/ciba.ts'
import { askFor, enterCode, finishSteps, startDevice } from '../support/devices.ts'
import { alice, api, opaque, ordersApi, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  authorizeUrl,
  type Fields,
  post,
  redeem,
  refresh,
  type Tokens,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import { startTwoNodes, type TwoNodes } from '../support/two-nodes.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

/** Milliseconds. */
const bound = 1000

/** Each row has its own account and client, so that rows do not affect each other. */
interface Row {
  tenant: string
  a: TestServer
  b: TestServer
  app: typeof web
  person: { username: string; password: string }
}

/** Everything that a user and a client hold at the moment of the revocation. */
interface Held {
  agent: UserAgent
  offline: Tokens
  bound: Tokens
  jwt: Tokens
  opaque: Tokens
  machine: Tokens
  code: string
  device: { device_code: string }
  request: { auth_req_id: string }
  signIn: { agent: UserAgent; page: Page }
  consent: Page
}

/** Whether the redirect back to the client has a code that can be redeemed. */
async function isGood({ b, app }: Row, { location }: Page): Promise<boolean> {
  const code = location?.searchParams.get('code')
  return typeof code === 'string' && (await redeem(b, app, code)).status === 200
}

async function isActive(b: TestServer, token: string | undefined): Promise<boolean> {
  const page = await post(b, '/introspect', ordersApi, { token })
  return page.status === 200 && (page.json() as { active: boolean }).active
}

interface Way {
  /** Whether node B still accepts it. */
  enter(row: Row, held: Held): Promise<boolean>
  /** Can be tried only once, so the first attempt must be refused. */
  once?: true
  /** Depends on what Redis holds, and may be lost with it. */
  shortLived?: true
}

/** The grant types of the discovery document. */
const grants: Record<string, Way> = {
  authorization_code: {
    enter: async ({ b, app }, { code }) => (await redeem(b, app, code)).status === 200,
    once: true,
    shortLived: true,
  },
  refresh_token: {
    enter: async ({ b, app }, { offline }) => (await refresh(b, app, offline)).status === 200,
    once: true,
  },
  client_credentials: {
    enter: async ({ b, app }) =>
      (await post(b, '/token', app, { grant_type: 'client_credentials', resource: api })).status ===
      200,
  },
  [deviceCodeGrant]: {
    enter: async ({ b, app }, { device }) => (await askFor(b, device, app)).status === 200,
    once: true,
    shortLived: true,
  },
  [cibaGrant]: {
    enter: async ({ b, app }, { request }) => (await askForResult(b, request, app)).status === 200,
    once: true,
    shortLived: true,
  },
}

const ways: Record<string, Way> = {
  ...grants,
  'refresh token bound to the session': {
    enter: async ({ b, app }, held) => (await refresh(b, app, held.bound)).status === 200,
    once: true,
  },
  'introspection of a JWT': { enter: ({ b }, { jwt }) => isActive(b, jwt.access_token) },
  'introspection of an opaque token': {
    enter: ({ b }, held) => isActive(b, held.opaque.access_token),
    shortLived: true,
  },
  'introspection of a token of the client itself': {
    enter: ({ b }, { machine }) => isActive(b, machine.access_token),
  },
  userinfo: {
    enter: async ({ b }, { offline }) => (await userinfo(b, offline.access_token)).status === 200,
  },
  'userinfo with a token bound to the session': {
    enter: async ({ b }, held) => (await userinfo(b, held.bound.access_token)).status === 200,
  },
  'session cookie': {
    enter: async ({ b }, { agent }) => (await agent.get(`${b.issuer}/account`)).status === 200,
  },
  'paused sign-in': {
    enter: async (row, { signIn: { agent, page } }) =>
      isGood(row, await agent.follow(await agent.get(page.location as URL))),
    once: true,
    shortLived: true,
  },
  'pending consent': {
    enter: async (row, { agent, consent }) =>
      isGood(row, await agent.follow(await agent.submit(consent))),
    once: true,
    shortLived: true,
  },
}

/** What a revocation does not affect, and why; it must keep working. */
const noPerson = {
  client_credentials: 'no user is involved',
  'introspection of a token of the client itself': 'no user is involved',
}
const stays: Record<Revocation, Record<string, string>> = {
  signed_out_everywhere: noPerson,
  others_signed_out: noPerson,
  account_deleted: noPerson,
  password_changed: noPerson,
  account_disabled: noPerson,
  session_ended: {
    ...noPerson,
    refresh_token: 'offline_access outlives the session',
    userinfo: 'offline_access outlives the session',
    [deviceCodeGrant]: 'it was allowed offline_access',
    [cibaGrant]: 'it was allowed offline_access',
    'paused sign-in': 'it is another browser',
  },
  grant_revoked: {
    ...noPerson,
    'session cookie': 'the user stays signed in',
  },
  client_disabled: { 'session cookie': 'the session does not belong to the client' },
  client_deleted: { 'session cookie': 'the session does not belong to the client' },
  tenant_signed_out: { client_credentials: 'no user is involved' },
  tenant_disabled: {},
}

/** How an operator does it. */
const revoke: Record<Revocation, (core: Core, row: Row) => Promise<unknown>> = {
  signed_out_everywhere: (core, row) => accountsSignOut.execute(core, account(row)),
  others_signed_out: async (core, row) => {
    const owner = await core.accounts.byIdentifier(row.tenant, row.person.username)
    if (owner) await core.revocations.logOutOthers(owner, 'a-session-that-has-none-of-it')
  },
  account_deleted: async (core, row) => {
    const owner = await core.accounts.byIdentifier(row.tenant, row.person.username)
    if (owner) await core.revocations.deleteAccount(owner, { by: 'owner' })
  },
  password_changed: (core, row) => accountsReset.execute(core, account(row)),
  account_disabled: (core, row) => accountsDisable.execute(core, account(row)),
  session_ended: async (core, row) => {
    const of = { tenant: row.tenant, account: row.person.username }
    const { sessions } = await sessionsList.execute(core, of)
    for (const { id } of sessions) await sessionsEnd.execute(core, { tenant: row.tenant, id })
  },
  grant_revoked: (core, row) => grantsRevoke.execute(core, { ...account(row), ...client(row) }),
  client_disabled: (core, row) => clientsDisable.execute(core, client(row)),
  client_deleted: (core, row) => clientsDelete.execute(core, client(row)),
  tenant_signed_out: (core, { tenant }) => accountsSignOutAll.execute(core, { tenant }),
  tenant_disabled: (core, { tenant }) => tenantsDisable.execute(core, { tenant }),
}
const account = ({ tenant, person }: Row) => ({ tenant, identifier: person.username })
const client = ({ tenant, app }: Row) => ({ tenant, client_id: app.client_id })

const variants = {
  'on one Postgres and one Redis': { redis: true, flushed: false },
  'just after Redis was flushed': { redis: true, flushed: true },
  'without Redis': { redis: false, flushed: false },
}

const suite = servicesFound() ? describe : describe.skip
for (const [title, { redis, flushed }] of Object.entries(variants)) {
  suite(`revocation on one node, observed on another, ${title} (C4, C5, ASVS 7.4.2)`, function () {
    this.timeout(60_000)
    let nodes: TwoNodes
    /** Milliseconds between the revocation and the last request that was still accepted. */
    let latest = 0

    before(async () => {
      nodes = await startTwoNodes(redis ? {} : { REDIS_URL: undefined })
    })
    after(async () => {
      await nodes?.stop()
    })

    async function makeRow(name: string): Promise<Row> {
      const tenant = name.startsWith('tenant_') ? name.replaceAll('_', '-') : 'default'
      const { core, a, b } = nodes
      if (tenant !== 'default') await core.tenants.declare({ id: tenant, name: 'Of its own' })
      const path = tenant === 'default' ? '' : `/t/${tenant}`
      const row = {
        tenant,
        a: serverAt(a.url + path),
        b: serverAt(b.url + path),
        app: {
          ...web,
          client_id: `app-${name}`,
          grant_types: Object.keys(grants),
          backchannel_token_delivery_mode: 'poll',
          scope: 'openid offline_access orders:read orders:write read',
        },
        person: { username: `${name}@example.com`, password: alice.password },
      }
      const introspection_clients = [ordersApi.client_id]
      await core.clients.declare(tenant, ordersApi)
      await core.clients.declare(tenant, row.app)
      for (const declared of [
        { identifier: api, scopes: ['orders:read', 'orders:write'], introspection_clients },
        {
          identifier: opaque,
          scopes: ['read'],
          access_token_format: 'opaque',
          introspection_clients,
        },
      ]) {
        await core.resources.declare(tenant, declared)
      }
      await core.accounts.declare(tenant, { email: row.person.username, password: alice.password })
      return row
    }

    /** Obtains everything on node A, except the two pages that wait for the user on node B. */
    async function hold({ a, b, app, person }: Row): Promise<Held> {
      const agent = createUserAgent()
      const codeFor = async (fields: Fields) => {
        const returned = await agent.walk(authorizeUrl(a, app, fields), person)
        return returned.searchParams.get('code') as string
      }
      const tokensFor = async (fields: Fields) =>
        tokensIn(await redeem(a, app, await codeFor(fields)))
      const device = await startDevice(a, { scope: 'openid offline_access' }, app)
      const held = {
        agent,
        offline: await tokensFor({ scope: 'openid offline_access' }),
        bound: await tokensFor({ scope: 'openid' }),
        jwt: await tokensFor({ scope: 'openid orders:read', resource: api }),
        opaque: await tokensFor({ scope: 'openid read', resource: opaque }),
        machine: tokensIn(
          await post(a, '/token', app, { grant_type: 'client_credentials', resource: api }),
        ),
        device,
        request: await startRequest(
          ...([a, { login_hint: person.username, scope: 'openid offline_access' }, app] as const),
        ),
        code: await codeFor({ scope: 'openid' }),
      }
      await finishSteps(agent, await enterCode(a, agent, device.user_code), person)
      await answerRequest(a, '#allow', agent, person)
      const other = createUserAgent()
      const form = await other.follow(await other.get(authorizeUrl(b, app, { scope: 'openid' })))
      const page = await other.submit(form, { fields: person })
      const more = { scope: 'openid orders:write', resource: api }
      const consent = await agent.follow(await agent.get(authorizeUrl(b, app, more)))
      return { ...held, signIn: { agent: other, page }, consent }
    }

    it('covers every supported grant type', async () => {
      const { a, on } = nodes
      const page = await fetch(on(a, '/.well-known/openid-configuration'))
      const { grant_types_supported: supported } = (await page.json()) as Record<string, string[]>
      expect(Object.keys(grants)).to.include.members(supported as string[])
    })

    it('is needed: without one, everything is accepted', async () => {
      const row = await makeRow('nothing')
      const held = await hold(row)
      const closed: string[] = []
      for (const [name, { enter }] of Object.entries(ways)) {
        if (!(await enter(row, held))) closed.push(name)
      }
      expect(closed).to.deep.equal([])
    })

    for (const kind of Object.keys(reaches) as Revocation[]) {
      describe(kind, () => {
        const outcome: Record<string, 'let in' | 'refused'> = {}

        before(async function () {
          this.timeout(60_000)
          const row = await makeRow(kind)
          const held = await hold(row)
          await revoke[kind](nodes.core, row)
          const answered = performance.now()
          if (flushed) await services()?.redis.flush()
          const ends = Object.keys(ways).filter((name) => !(name in stays[kind]))
          await Promise.all(ends.map((name) => watch(name, row, held, answered)))
          for (const name of Object.keys(stays[kind])) {
            outcome[name] = (await ways[name]?.enter(row, held)) ? 'let in' : 'refused'
          }
        })

        async function isGone({ b }: Row, answered: number) {
          const keys = new URL(`${b.issuer}/jwks`)
          while ((await fetch(keys)).ok && performance.now() - answered < bound) await pause(10)
        }

        async function watch(name: string, row: Row, held: Held, answered: number) {
          const { enter, once } = ways[name] as Way
          // A suspended tenant's objects do not end: single attempts are made once the node knows of the suspension.
          if (once && kind === 'tenant_disabled') await isGone(row, answered)
          for (;;) {
            // The time of the request counts, not how long a busy machine takes to answer.
            const asked = performance.now() - answered
            const isIn = await enter(row, held)
            if (isIn) latest = Math.max(latest, asked)
            outcome[name] = isIn ? 'let in' : 'refused'
            if (!isIn || once || asked >= bound) return
            await pause(10)
          }
        }

        for (const [name, { shortLived }] of Object.entries(ways)) {
          const reason = stays[kind][name]
          if (reason === undefined) {
            it(`ends: ${name}`, () => expect(outcome[name]).to.equal('refused'))
          } else if (!(flushed && shortLived)) {
            it(`leaves: ${name} (${reason})`, () => expect(outcome[name]).to.equal('let in'))
          }
        }
      })
    }

    describe('all kinds', () => {
      it('nothing is accepted that was requested a second later or more', function () {
        const figure = `${Math.round(latest)} ms`
        if (this.test) this.test.title += `: ${figure}`
        expect(latest, figure).to.be.below(bound)
      })
    })
  })
}
