import { expect } from 'chai'
import type { Account } from '../../src/accounts/account.ts'
import { deviceCodeGrant } from '../../src/clients/client.ts'
import type { Core } from '../../src/core.ts'
import type { Families } from '../../src/families/families.ts'
import { familyStartedBy } from '../../src/families/family.ts'
import { hashOf } from '../../src/secrets/handle.ts'
import type { Session } from '../../src/sessions/session.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { allowDevice, askFor, signOut, startDevice } from '../support/devices.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import {
  alice,
  api,
  callback,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  web,
} from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  codeFor,
  expectRefusal,
  introspect,
  post,
  redeem,
  refresh,
  type StoryClient,
  type Tokens,
  tokensFor,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

const offline = { scope: 'openid offline_access' }

/** Ends a family on another node, or lets its owner start again there. */
type Act = (other: Core, account: Account, client: typeof web) => Promise<unknown>
/** In one transaction, so that no other request waits within it. */
const enableAtOnce: Act = ({ database, revocations }, _, { client_id: id }) =>
  database.transaction(() => revocations.setClientDisabled('default', id, false))
const causes: Record<string, [end: Act, again?: Act]> = {
  'the client is disabled and enabled': [
    ({ revocations }, _, { client_id: id }) => revocations.setClientDisabled('default', id, true),
    enableAtOnce,
  ],
  'the client is disabled, and enabled at once': [
    async (core, account, client) => {
      await core.revocations.setClientDisabled('default', client.client_id, true)
      await enableAtOnce(core, account, client)
    },
  ],
  'the account is disabled and enabled': [
    ({ revocations }, account) => revocations.setAccountDisabled(account, true),
    ({ revocations }, account) => revocations.setAccountDisabled(account, false),
  ],
  'the client is deleted and declared again': [
    ({ revocations }, _, { client_id: id }) => revocations.deleteClient('default', id),
    ({ clients }, _, client) => clients.declare('default', client),
  ],
  'the grant is revoked': [
    ({ revocations }, { id }, client) => revocations.revokeGrant('default', id, client.client_id),
  ],
  'its owner signs out everywhere': [
    ({ revocations }, account) => revocations.logOutEverywhere(account),
  ],
  'the password is changed': [({ revocations }, account) => revocations.passwordChanged(account)],
}

/** Token requests, and the points where they are interrupted. */
const requests = {
  'a code': {
    prepare: async (server: TestServer, client: StoryClient) => {
      const code = await codeFor(server, client, offline)
      return () => redeem(server, client, code)
    },
    points: ['before start', 'after start'],
  },
  'a device code': {
    prepare: async (server: TestServer, client: StoryClient) => {
      const device = await startDevice(server, offline, client)
      await allowDevice(server, device)
      return () => askFor(server, device, client)
    },
    points: ['before start', 'after start'],
  },
  'a device code whose browser signed out': {
    prepare: async (server: TestServer, client: StoryClient) => {
      const device = await startDevice(server, offline, client)
      await signOut(server, await allowDevice(server, device))
      return () => askFor(server, device, client)
    },
    points: ['before start', 'after start'],
  },
  'a refresh token': {
    prepare: async (server: TestServer, client: StoryClient) => {
      const tokens = await tokensFor(server, client, offline)
      return () => refresh(server, client, tokens)
    },
    points: ['before findLocked', 'after findLocked', 'after rotate'],
  },
} as const

const suite = servicesFound() ? describe : describe.skip
suite('a token request during a revocation on another node', () => {
  let server: TestServer
  let other: Core
  let clients = 0
  before(async () => {
    server = await boot('services')
    await furnish(server)
    await furnishOpaque(server)
    other = await openNode(server.env)
  })
  after(async () => {
    await other?.close()
    await server?.stop()
  })

  /** Runs `meanwhile` at a point of the next token request, until it is done or waits for a lock. */
  function interrupt(point: string, meanwhile: () => Promise<unknown>) {
    const [when, name] = point.split(' ') as ['before' | 'after', 'start' | 'findLocked' | 'rotate']
    const { families } = server.core
    const real = families[name] as (...args: unknown[]) => Promise<unknown>
    let work: Promise<unknown> | undefined
    const run = async () => {
      let isOver = false
      work = meanwhile().finally(() => {
        isOver = true
      })
      work.catch(() => undefined)
      await eventually(
        'the work is done, or waits for a lock',
        async () => isOver || (await waitsForLock()),
      )
    }
    const patched = async (...args: unknown[]) => {
      Object.assign(families, { [name]: real } as Partial<Families>)
      if (when === 'before') await run()
      const result = await real(...args)
      if (when === 'after') await run()
      return result
    }
    Object.assign(families, { [name]: patched } as Partial<Families>)
    return () => work
  }

  async function waitsForLock(): Promise<boolean> {
    const rows = await other.database.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    return rows.length > 0
  }

  for (const [cause, [end, again]] of Object.entries(causes)) {
    for (const [what, { prepare, points }] of Object.entries(requests)) {
      for (const point of points) {
        it(`${cause}: ${what} leaves no valid token, ${point} (C4, C5)`, async () => {
          const grant_types = [...web.grant_types, deviceCodeGrant]
          const client = { ...web, client_id: `web-${clients++}`, grant_types }
          await server.core.clients.declare('default', client)
          const account = (await other.accounts.byIdentifier('default', alice.email)) as Account
          const send = await prepare(server, client)
          const ended = interrupt(point, () => end(other, account, client))
          const answer = await send()
          try {
            await ended()
          } finally {
            await again?.(other, account, client)
          }
          await expectNothingLeft(answer, client)
        })
      }
    }
  }

  for (const [way, type] of Object.entries({
    'on the direct path': '',
    'on the stack': '; stack=1',
  })) {
    it(`a browser signs out of one client: a code leaves no valid token, ${way} (C26)`, async () => {
      const client = { ...web, client_id: `web-${clients++}` }
      await server.core.clients.declare('default', client)
      const code = await codeFor(server, client)
      const [row] = await other.database.query<{ uid: string; handle_hash: string }>(
        `select s.uid, s.handle_hash from sessions s join session_clients c
           on c.tenant_id = s.tenant_id and c.session_uid = s.uid where c.client_id = $1`,
        [client.client_id],
      )
      const { uid, handle_hash: handle } = row as { uid: string; handle_hash: string }
      const session = (await other.sessions.byUid('default', uid)) as Session
      let asked: Promise<Page> | undefined
      await other.database.transaction(async () => {
        const without = { ...session, clients: {} }
        const dropped = [client.client_id]
        const saved = await other.sessions.save('default', without, handle, [handle], dropped)
        expect(saved).to.equal('saved')
        asked = post(
          server,
          '/token',
          client,
          {
            grant_type: 'authorization_code',
            code,
            redirect_uri: callback,
            code_verifier: verifier,
          },
          { 'content-type': `application/x-www-form-urlencoded${type}` },
        )
        await eventually('the exchange waits for a lock', waitsForLock)
      })
      expectRefusal((await asked) as Page, 400, 'invalid_grant')
    })
  }

  /** The response to a request that waits while its client is disabled and enabled; its node does not know of that. */
  async function whileFlapping(clientId: string, send: () => Promise<Page>): Promise<Page> {
    const { denials } = server.core
    const { anyDenies } = denials
    let asked: Promise<Page> | undefined
    denials.anyDenies = () => false
    await other.database.transaction(async () => {
      for (const disabled of [true, false])
        await other.revocations.setClientDisabled('default', clientId, disabled)
      asked = send()
      await eventually('the exchange waits', waitsForLock)
    })
    const answer = (await asked) as Page
    denials.anyDenies = anyDenies
    return answer
  }

  it('a client is disabled and enabled: a device code whose request waits is void (C5)', async () => {
    const grant_types = [...web.grant_types, deviceCodeGrant]
    const client = { ...web, client_id: `web-${clients++}`, grant_types }
    await server.core.clients.declare('default', client)
    const send = await requests['a device code'].prepare(server, client)
    expectRefusal(await whileFlapping(client.client_id, send), 400, 'invalid_grant')
    const families = await server.core.families.list('default', { clientId: client.client_id })
    expect(families).to.deep.equal([])
  })

  const without = ['authorization_code']
  for (const [what, grant_types] of Object.entries({ with: web.grant_types, without })) {
    it(`a client is disabled and enabled: a code whose exchange waits is void but not reused, ${what} refresh tokens (C5)`, async () => {
      const client = { ...web, client_id: `web-${clients++}`, grant_types }
      await server.core.clients.declare('default', client)
      const code = await codeFor(server, client)
      const send = () => redeem(server, client, code)
      expectRefusal(await whileFlapping(client.client_id, send), 400, 'invalid_grant')
      const reused = await other.database.query(
        `select 1 from denials where kind = 'family' and subject = $1`,
        [familyStartedBy(hashOf(code))],
      )
      expect(reused).to.deep.equal([])
    })
  }

  it('an operator is disabled: another operator’s code is redeemed, and neither waits for the other', async () => {
    const code = await codeFor(server, web, offline)
    const operator = await other.accounts.byIdentifier('default', 'operator@example.com')
    const setRoles = (roles: string[]) =>
      other.database.execute('update accounts set roles = $1 where email = $2', [
        roles,
        alice.email,
      ])
    await setRoles(['operator'])
    try {
      await other.database.transaction(async () => {
        await other.accounts.setDisabled(operator as Account, true)
        tokensIn(await redeem(server, web, code))
      })
    } finally {
      await other.accounts.setDisabled(operator as Account, false)
      await setRoles([])
    }
  })

  it('a client is disabled: a token issued by a node that did not know yet stays void (C5)', async () => {
    const give = () =>
      post(server, '/token', machine, { grant_type: 'client_credentials', resource: api })
    const isActive = async (page: Page) =>
      (await introspect(server, ordersApi, tokensIn(page).access_token))['active']
    const { revocations } = other
    const { find } = server.core.clients
    try {
      expect(await isActive(await give())).to.equal(true)
      const known = await server.core.clients.find('default', machine.client_id)
      await revocations.setClientDisabled('default', machine.client_id, true)
      server.core.clients.find = async () => known
      const given = await give()
      server.core.clients.find = find
      travel(2)
      expectRefusal(await give(), 401, 'invalid_client')
      await revocations.setClientDisabled('default', machine.client_id, false)
      travel(2)
      await eventually('the node knows the denial', async () => !(await isActive(given)))
      expect(await isActive(await give())).to.equal(true)
    } finally {
      server.core.clients.find = find
      backToPresent()
    }
  })

  for (const [form, resource] of Object.entries({ 'a JWT': api, 'an opaque token': opaque })) {
    it(`a client is disabled: its running token request gets no token, ${form} (C5)`, async () => {
      const client = { ...machine, client_id: `machine-${clients++}`, scope: 'orders:read read' }
      await server.core.clients.declare('default', client)
      const { resources } = server.core
      const { find } = resources
      try {
        resources.find = async (...asked) => {
          const found = await find(...asked)
          resources.find = find
          await other.revocations.setClientDisabled('default', client.client_id, true)
          travel(3)
          return found
        }
        const fields = { grant_type: 'client_credentials', resource }
        expectRefusal(await post(server, '/token', client, fields), 401, 'invalid_client')
        expect(resources.find, 'the request was running').to.equal(find)
      } finally {
        resources.find = find
        backToPresent()
      }
    })
  }

  it('a tenant is disabled: a running token request of a machine gets no token (C5)', async () => {
    const acme = { ...server, issuer: `${server.issuer}/t/acme` }
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
    const { resources } = server.core
    const { find } = resources
    const ask = () => post(acme, '/token', machine, { grant_type: 'client_credentials' })
    try {
      expect((await ask()).status).to.equal(200)
      resources.find = async (...asked) => {
        const found = await find(...asked)
        resources.find = find
        await other.revocations.setTenantDisabled('acme', true)
        travel(3)
        return found
      }
      const fields = { grant_type: 'client_credentials', resource: api }
      expectRefusal(await post(acme, '/token', machine, fields), 401, 'invalid_client')
      expect(resources.find, 'the request was running').to.equal(find)
    } finally {
      resources.find = find
      backToPresent()
    }
  })

  async function expectNothingLeft(answer: Page, client: typeof web) {
    const which = { clientId: client.client_id, live: true }
    const alive = await other.families.list('default', which)
    expect(alive.map(({ id }) => id)).to.deep.equal([])
    if (answer.status !== 200) {
      expect(answer.status, answer.body).to.be.oneOf([400, 401])
      return
    }
    const tokens = answer.json() as Tokens
    expect((await refresh(server, client, tokens)).status).to.be.oneOf([400, 401])
    const latest = await lastFailureAt('the access token is inactive on this node', async () => {
      const { status, body } = await post(server, '/introspect', client, {
        token: tokens.access_token,
      })
      return status === 200 && body === '{"active":false}'
    })
    expect(latest).to.be.below(1000)
  }
})
