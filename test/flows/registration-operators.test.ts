import { AsyncLocalStorage } from 'node:async_hooks'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import type { Core } from '../../src/core.ts'
import { limits } from '../../src/limits/limits.ts'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { arriveSignedIn } from '../people/story.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted, freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, callback, furnish, web } from '../support/fixtures.ts'
import { authorizeUrl, codeFor, redeem, refresh, signIn, tokensIn } from '../support/protocol.ts'
import {
  expectError,
  informationIn,
  selfDeclared as metadata,
  registrar,
} from '../support/registering.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { countingTrips } from '../support/trips.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

describe('self-registered clients, and operators', () => {
  const server = booted('services', {}, furnish)
  const { send, register, declare } = registrar(() => server)
  before(() => declare({ mode: 'open' }))

  it('get consent only under the name that the page showed: after a change it is shown again', async () => {
    const client = informationIn(await register(metadata))
    const agent = createUserAgent()
    const credentials = { username: alice.email, password: alice.password }
    const start = await agent.follow(await agent.get(authorizeUrl(server, client)))
    const page = await agent.follow(await agent.submit(start, { fields: credentials }))
    expect(page.root.querySelector('h1')?.textContent).to.include('A tool')
    const { registration_client_uri: at, registration_access_token: token } = client
    const body = { ...metadata, client_id: client.client_id, client_name: 'Your bank' }
    informationIn(await send('PUT', at, { body, token }))
    const again = await agent.follow(await agent.submit(page))
    expect(again.root.querySelector('h1')?.textContent).to.include('Your bank')
    const { location } = await agent.follow(await agent.submit(again))
    tokensIn(await redeem(server, client, location?.searchParams.get('code') ?? ''))
  })

  it('use one connection to Postgres in a flood, with a bounded queue (C25)', async () => {
    const { registrations, database } = server.core
    const { transaction } = database
    const initial = await registrations.initialTokens.create(defaultTenant, { uses: 40 })
    remember(initial.token)
    for (const token of [undefined, initial.token]) {
      let [underWay, most, refused] = [0, 0, 0]
      const full = Promise.withResolvers<void>()
      const isOwn = new AsyncLocalStorage<true>()
      database.transaction = async (work) => {
        // Transactions of the server itself do not count.
        if (!isOwn.getStore()) return transaction(work)
        most = Math.max(most, ++underWay)
        await full.promise
        return transaction(work).finally(() => underWay--)
      }
      const caller = { token, ip: '192.0.2.1' }
      const ask = () =>
        registrations.register(defaultTenant, metadata, caller).then(
          () => 'registered',
          (error: Error & { code: string }) => {
            if (++refused === 7) full.resolve()
            return error.code
          },
        )
      const outcomes = await isOwn.run(true, () => Promise.all(Array.from({ length: 40 }, ask)))
      database.transaction = transaction
      expect(outcomes.filter((each) => each === 'registered')).to.have.length(33)
      expect(outcomes.filter((each) => each === 'too_many_requests')).to.have.length(7)
      // A registration contains nested transactions.
      expect(most).to.be.at.most(3)
    }
  })

  it('are validated without reading signing keys from the database, unless one has to be made', async () => {
    const { clients, database, registrations, signing } = server.core
    const caller = { token: undefined, ip: '198.51.100.1' }
    const { statements } = await countingTrips(database, () =>
      registrations.register(defaultTenant, metadata, caller),
    )
    expect(statements.filter((sql) => sql.includes('registered_clients'))).not.to.deep.equal([])
    expect(statements.filter((sql) => sql.includes('signing_keys'))).to.deep.equal([])
    const other = { ...web, client_id: 'other-alg', id_token_signed_response_alg: 'EdDSA' }
    await clients.declare(defaultTenant, other)
    expect((await signing.list(defaultTenant)).map(({ alg }) => alg)).to.include('EdDSA')
  })

  it('cause no deadlock when they change while the sweep deletes them', async () => {
    const { clients, database, registrations, clock } = server.core
    const { client_id: id } = informationIn(await register(metadata))
    const which = 'registered_clients set expires_at = registered_at where client_id = $1'
    await database.execute(`update ${which}`, [id])
    const holding = Promise.withResolvers<void>()
    const sweeping = Promise.withResolvers<void>()
    // Locks are taken in the order of a PUT.
    const change = database.transaction(async () => {
      await clients.views.view(defaultTenant, id, clock.now(), true)
      holding.resolve()
      await sweeping.promise
      await database.execute(`update ${which}`, [id])
    })
    await holding.promise
    const swept = registrations.sweep()
    await eventually('the sweep waits for a lock', async () => {
      const waiting = await database.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return waiting.length > 0
    })
    sweeping.resolve()
    await Promise.all([change, swept])
    expect(await clients.find(defaultTenant, id)).to.equal(undefined)
  })

  it('cannot revert what an operator set, at once or step by step (P-080, RFC 7592 §2.2, security class C16)', async () => {
    const asked = { ...metadata, scope: 'openid email orders:read' }
    let client = informationIn(await register(asked))
    const id = client.client_id
    const stored = async () =>
      (await server.core.clients.views.view(defaultTenant, id, server.core.clock.now()))
        ?.metadata as Record<string, unknown>
    const imposed = {
      require_mfa: true,
      scope: 'openid email',
      resources: [api],
      refresh_token_absolute_ttl: 3600,
      refresh_replay_window: 0,
      dpop_bound_access_tokens: true,
      client_name: 'Unchecked tool',
    }
    const put = async (members: object) => {
      const { registration_client_uri: at, registration_access_token: token } = client
      client = informationIn(await send('PUT', at, { token, body: { ...members, client_id: id } }))
      return client
    }
    await server.core.clients.declare(defaultTenant, { ...(await stored()), ...imposed })

    for (const attempt of [
      asked,
      { redirect_uris: [callback], dpop_bound_access_tokens: null },
      // First the values of the response, then the original ones again.
      { ...asked, scope: 'openid email', dpop_bound_access_tokens: true },
      { ...asked, scope: 'openid email orders:read', dpop_bound_access_tokens: false },
    ]) {
      const answered = await put(attempt)
      expect(answered).to.include({ scope: 'openid email', client_name: 'Unchecked tool' })
      expect(await stored()).to.deep.include(imposed)
    }
    expect(await put({ ...asked, tos_uri: 'https://app.example.com/tos' })).to.include({
      tos_uri: 'https://app.example.com/tos',
    })

    await server.core.clients.declare(defaultTenant, { ...(await stored()), scope: asked.scope })
    expect(
      await put({ ...asked, scope: 'openid' }),
      'the client sets its own scope again',
    ).to.include({
      scope: 'openid',
    })
    expect(await put(asked)).to.include({ scope: asked.scope })
    const { scope: _scope, ...others } = imposed
    expect(await stored()).to.deep.include(others)
  })

  it('cannot revert it even if they were registered before their own metadata was stored (C16)', async () => {
    let client = informationIn(await register({ ...metadata, scope: 'openid email' }))
    const { client_id: id, registration_client_uri: at } = client
    await server.core.database.execute(
      'update registered_clients set metadata = null where client_id = $1',
      [id],
    )
    const now = () => server.core.clock.now()
    const view = () => server.core.clients.views.view(defaultTenant, id, now())
    const imposed = { require_mfa: true, scope: 'openid' }
    const stored = (await view())?.metadata
    await server.core.clients.declare(defaultTenant, { ...stored, ...imposed })
    for (const name of ['One', 'Another']) {
      const body = { ...metadata, scope: 'openid email', client_name: name, client_id: id }
      const token = client.registration_access_token
      client = informationIn(await send('PUT', at, { token, body }))
      expect(client).to.include({ client_name: name, scope: 'openid' })
      expect((await view())?.metadata).to.deep.include(imposed)
    }
  })

  it('cannot revert members reserved to operators, even if stored as their own (P-080, security class C16)', async () => {
    const client = informationIn(await register(metadata))
    const { client_id: id, registration_client_uri: at, registration_access_token: token } = client
    const { clients, database, clock } = server.core
    const stored = async () => (await clients.views.view(defaultTenant, id, clock.now()))?.metadata
    const imposed = { require_mfa: true, resources: [api], refresh_replay_window: 0 }
    await clients.declare(defaultTenant, { ...(await stored()), ...imposed })
    await database.execute(
      `update registered_clients r set metadata = c.metadata from clients c
       where c.tenant_id = r.tenant_id and c.client_id = r.client_id`,
    )
    informationIn(await send('PUT', at, { token, body: { ...metadata, client_id: id } }))
    expect(await stored()).to.deep.include(imposed)
  })

  it('cannot move to the sector of another client with the tokens they hold (OpenID Connect Core §8.1)', async () => {
    const theirs = { ...web, client_id: 'theirs', subject_type: 'pairwise' }
    const hosts = { redirect_uris: ['https://bank.example/callback'] }
    const offline = { scope: 'openid offline_access' }
    let client = informationIn(await register({ ...metadata, subject_type: 'pairwise' }))
    const held = tokensIn(await redeem(server, client, await codeFor(server, client, offline)))
    const change = async (members: object) => {
      const { client_id, registration_client_uri: at, registration_access_token: token } = client
      const page = await send('PUT', at, { body: { ...metadata, client_id, ...members }, token })
      if (page.status === 200) client = { ...client, ...informationIn(page) }
      return page.status === 200 ? 'changed' : expectError(page, 400, 'invalid_client_metadata')
    }
    const pairwise = { subject_type: 'pairwise' }
    expect(await change({ ...pairwise, ...hosts })).to.contain('register a new client')
    expect(await change({ ...pairwise, grant_types: 5 })).to.contain('grant_types')
    expect(await change({ ...pairwise, client_name: 'As before' })).to.equal('changed')
    // Nor in two steps.
    expect(await change(hosts)).to.equal('changed')
    expect(await change({ ...pairwise, ...hosts })).to.contain('register a new client')
    await server.core.clients.declare(defaultTenant, { ...theirs, ...hosts })
    const bank = await server.core.clients.metadata(defaultTenant, theirs.client_id)
    const { access_token } = tokensIn(await refresh(server, client, held))
    const account = await server.core.accounts.byIdentifier(defaultTenant, alice.email)
    const { sub } = decodeJwt(access_token)
    expect(sub).not.to.equal(
      await server.core.subjects.of(defaultTenant, bank as never, account?.id ?? ''),
    )
  })

  it('have consent only for the name and the redirect URI that the page showed', async () => {
    const other = 'https://other.example/callback'
    const agent = createUserAgent()
    let client = informationIn(await register(metadata))
    const change = async (members: object) => {
      const { client_id, registration_client_uri: at, registration_access_token: token } = client
      const body = { ...metadata, client_id, ...members }
      client = { ...client, ...informationIn(await send('PUT', at, { body, token })) }
    }
    const silently = async (redirect_uri = callback) => {
      const fields = { redirect_uri, prompt: 'none' }
      const { searchParams } = (await agent.get(authorizeUrl(server, client, fields)))
        .location as URL
      return searchParams.get('error') ?? [...searchParams.keys()]
    }
    await signIn(server, client, {}, agent)
    expect(await silently()).to.include('code')
    await change({ redirect_uris: [callback, other], policy_uri: 'https://other.example/' })
    expect(await silently()).to.include('code')
    expect(await silently(other)).to.equal('consent_required')
    await signIn(server, client, { redirect_uri: other }, agent)
    for (const uri of [callback, other]) expect(await silently(uri)).to.include('code')
    await change({ redirect_uris: [callback, other], client_name: 'Your bank' })
    expect(await silently()).to.equal('consent_required')
    await signIn(server, client, {}, agent)
    expect(await silently()).to.include('code')
    expect(await silently(other)).to.equal('consent_required')

    // Any process on the machine could receive the response, whatever the client is called (RFC 8252 §8.6).
    client = informationIn(await register({ ...metadata, token_endpoint_auth_method: 'none' }))
    await signIn(server, client, {}, agent)
    expect(await silently()).to.equal('interaction_required')
  })

  it('learn nothing about addresses that cannot be fetched; the log has the details (C11)', async () => {
    for (const [uri, met] of [
      ['https://intranet.localhost/', /address_refused.*127\.0\.0\.1/],
      ['https://10.1.2.3/', /address_refused/],
    ] as const) {
      const body = { ...metadata, subject_type: 'pairwise', sector_identifier_uri: uri }
      const page = await register(body)
      const said = expectError(page, 400, 'invalid_client_metadata')
      expect(said).to.equal('sector_identifier_uri: could not be fetched')
      const { error_id: id } = page.json() as { error_id: string }
      const line = server
        .logged()
        .split('\n')
        .find((each) => each.includes(id))
      expect(line).to.match(met)
    }
  })

  it('are shown as unverified at consent (P-089)', async () => {
    const client = informationIn(
      await register({ ...metadata, logo_uri: 'https://a.example/x.png' }),
    )
    const { page } = await arriveSignedIn(server, client, {})
    expect(page.root.querySelector('.kt-notice')?.textContent).to.contain('A tool')
    expect(page.root.querySelector('#redirect-host')?.textContent).to.equal('localhost:9')
    expect(page.root.querySelector('#client-logo')).to.equal(null)
    const uri = 'com.evil.app://localhost/callback'
    const native = { ...metadata, application_type: 'native', redirect_uris: [uri] }
    const app = await arriveSignedIn(server, informationIn(await register(native)), {
      redirect_uri: uri,
    })
    expect(app.page.root.querySelector('#redirect-host')?.textContent).to.equal('com.evil.app:')
    expect(app.page.root.querySelectorAll('.kt-notice'), 'no notice about loopback').to.have.length(
      1,
    )
  })
})

describe('self-registered clients in a flood', () => {
  let core: Core
  beforeEach(async () => {
    core = await openNode({ ...(await freshStorage(anyStorage)), RATE_LIMITS: 'on' })
    await core.firstStart()
    const policy = registrationPolicy.parse({ mode: 'open' })
    await core.registrationPolicies.declare(defaultTenant, policy)
    travel(1)
  })
  afterEach(async () => {
    backToPresent()
    await core?.close()
  })

  const register = (ip: string, body: object = metadata, token?: string) =>
    core.registrations.register(defaultTenant, { ...body }, { token, ip }).then(
      () => 'registered',
      (error: Error & { code: string }) => error.code,
    )

  it('do not wait if they have an initial access token, and otherwise for at most five seconds', async () => {
    const { registrations, database } = core
    const { transaction } = database
    const isHeld = new AsyncLocalStorage<true>()
    const [begun, standstill] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    database.transaction = async (work) => {
      if (isHeld.getStore()) {
        begun.resolve()
        await standstill.promise
      }
      return transaction(work)
    }
    const { token } = await registrations.initialTokens.create(defaultTenant, { uses: 1 })
    remember(token)
    const first = isHeld.run(true, () => register('198.51.0.1'))
    await begun.promise
    let answered = 0
    const others = Array.from({ length: 40 }, (_, i) =>
      register(`198.51.${i + 1}.1`).finally(() => answered++),
    )
    await eventually('the queue is full', () => answered === 8)
    expect(await register('198.51.1.2', metadata, token)).to.equal('registered')
    travel(6)
    standstill.resolve()
    expect(await first).to.equal('registered')
    expect(new Set(await Promise.all(others))).to.deep.equal(new Set(['too_many_requests']))
    expect(await register('198.51.1.1'), 'the next one').to.equal('registered')
  })

  it('count towards the limit of the tenant once registered, and not when the queue refuses them (C25)', async () => {
    const leave = (left: number) => {
      const cost = limits.registration_tenant.most - left
      return core.limiter.note(defaultTenant, {
        limit: 'registration_tenant',
        subject: 'all',
        cost,
      })
    }
    const { most } = limits.registration_network
    const sector = { subject_type: 'pairwise', sector_identifier_uri: 'https://10.1.2.3/' }
    const failing = { ...metadata, ...sector }
    for (let i = 0; i < most; i++) {
      expect(await register('198.51.9.1', failing)).to.equal('client_metadata_invalid')
    }
    expect(await register('198.51.9.1', failing)).to.equal('too_many_requests')

    await leave(1)
    const bad = { ...metadata, redirect_uris: ['javascript:1'] }
    for (const ip of ['198.51.1.1', '198.51.2.1', '198.51.3.1']) {
      expect(await register(ip, bad)).to.equal('redirect_uri_invalid')
    }
    expect(await register('198.51.4.1')).to.equal('registered')
    expect(await register('198.51.5.1')).to.equal('too_many_requests')

    travel(7200)
    await leave(2 * most)
    const all = Array.from({ length: 2 * most }, (_, i) => `198.51.${6 + (i % 2)}.1`)
    const outcomes = await Promise.all(all.map((ip) => register(ip)))
    const turnedAway = all.filter((_, i) => outcomes[i] === 'too_many_requests')
    expect(turnedAway).not.to.deep.equal([])
    for (const ip of turnedAway) expect(await register(ip)).to.equal('registered')
    expect(await register('198.51.6.1')).to.equal('too_many_requests')
    expect(await register('198.51.8.1')).to.equal('too_many_requests')
  })
})
