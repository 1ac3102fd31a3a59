import { randomUUID } from 'node:crypto'
import { expect } from 'chai'
import { adminResource } from '../../src/resources/admin-resource.ts'
import { everywhere, scopeOf } from '../../src/roles/role.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { type Asking, ask, bootstrap, machineWith, tokenOf } from '../support/admin.ts'
import { type AdminObjects, addressOf, bodies, objectsIn } from '../support/admin-objects.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import type { Page } from '../support/http-exchange.ts'
import type { StoryClient } from '../support/protocol.ts'

/** No caller of the admin API can gain permissions that they do not have (security class C21). */
describe('a role in the admin API', () => {
  const server = booted(anyStorage)
  let first: StoryClient
  let owner: string
  let operator: string
  let helpDesk: string
  /** Objects of the default tenant; the account and the client are owners. */
  let protectedOnes: AdminObjects

  before(async () => {
    first = await bootstrap(server)
    owner = await tokenOf(server, first)
    operator = await tokenOf(server, await machineWith(server, 'operator'))
    helpDesk = await tokenOf(server, await machineWith(server, 'help_desk'))
    const { core } = server
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    await core.tenants.declare({ id: 'other', name: 'Other' })
    protectedOnes = await objectsIn(core, defaultTenant)
    const { client_id: clientId = '', account_id: accountId = '' } = protectedOnes
    await core.roles.grant({ clientId }, 'owner', everywhere)
    await core.roles.grant({ accountId }, 'owner', everywhere)
  })

  function expectCode(page: Page, status: number, code: string): void {
    expect(page.json(), page.body).to.include({ status, code })
  }
  const send = (token: string, method: string, path: string, asking: Asking = {}) =>
    ask(server, method, path, { token, headers: { 'if-match': '*' }, ...asking })

  it('cannot change the secret, password, factors or address of a subject with more permissions', async () => {
    const account = '/tenants/{tenant}/accounts/{account_id}'
    const client = '/tenants/{tenant}/clients/{client_id}'
    const attempts: Array<[token: string, method: string, path: string]> = [
      [operator, 'PUT', client],
      [operator, 'DELETE', client],
      [operator, 'POST', `${client}/disable`],
      [operator, 'POST', `${client}/secrets`],
      [operator, 'PATCH', account],
      [operator, 'DELETE', account],
      [operator, 'POST', `${account}/disable`],
      [operator, 'POST', `${account}/one-time-password`],
      ...[operator, helpDesk].flatMap(
        (token): Array<[string, string, string]> => [
          [token, 'POST', `${account}/reset-mail`],
          [token, 'POST', `${account}/unlock`],
          [token, 'POST', `${account}/remove-factors`],
          [token, 'POST', `${account}/sign-out`],
          [token, 'POST', '/tenants/{tenant}/sessions/{session_id}/end'],
          [token, 'POST', '/tenants/{tenant}/grants/{grant_id}/revoke'],
          [token, 'POST', '/tenants/{tenant}/families/{family_id}/revoke'],
        ],
      ),
    ]
    for (const [token, method, path] of attempts) {
      const body = bodies[`${method} ${path}`]?.(protectedOnes)
      const page = await send(token, method, addressOf(path, protectedOnes), { body })
      expect(page.json(), `${method} ${path}: ${page.body}`).to.include({
        code: 'subject_protected',
      })
    }
    const { core } = server
    const [session] = await core.sessions.list(defaultTenant, protectedOnes['account_id'])
    expect(session?.uid).to.equal(protectedOnes['session_id'])
  })

  it('cannot give a client access to the admin API, nor change the redirect URI of one that has it', async () => {
    const { identifier } = adminResource(server.core.config.issuer)
    const deputy = {
      client_id: 'console',
      redirect_uris: ['https://console.example.com/callback'],
      token_endpoint_auth_method: 'none',
      resources: [identifier],
    }
    const path = `/tenants/default/clients`
    expectCode(await send(operator, 'POST', path, { body: deputy }), 403, 'subject_protected')
    expect((await send(owner, 'POST', path, { body: deputy })).status).to.equal(201)
    for (const body of [
      { ...deputy, redirect_uris: ['https://evil.example.com/callback'] },
      { ...deputy, resources: [] },
    ]) {
      const page = await send(operator, 'PUT', `${path}/console`, { body })
      expectCode(page, 403, 'subject_protected')
    }
    const builtIn = { body: { identifier, scopes: ['admin:clients:read'] } }
    const page = await send(owner, 'POST', '/tenants/default/resource-servers', builtIn)
    expectCode(page, 409, 'built_in')
  })

  it('can be granted and revoked only by its holders, within their reach', async () => {
    const acme = await machineWith(server, 'owner', 'acme')
    const token = await tokenOf(server, acme)
    const { client_id } = await machineWith(server)
    const give = (role: string, reach: string) =>
      send(token, 'POST', '/roles', { body: { client_id, role, reach } })
    expect((await give('operator', 'acme')).status).to.equal(201)
    expectCode(await give('operator', 'acme'), 409, 'already_exists')
    expectCode(await give('auditor', '*'), 403, 'permission_denied')
    expectCode(await give('help_desk', 'other'), 403, 'permission_denied')
    const nobody = { client_id: 'nobody-there', role: 'auditor', reach: 'acme' }
    expectCode(await send(token, 'POST', '/roles', { body: nobody }), 404, 'subject_unknown')
    const nowhere = { client_id, role: 'auditor', reach: 'nowhere' }
    expectCode(await send(owner, 'POST', '/roles', { body: nowhere }), 400, 'request_invalid')

    const [wider] = await server.core.roles.of({ clientId: first.client_id })
    expectCode(await send(token, 'DELETE', `/roles/${wider?.id}`), 404, 'not_found')
    const listed = (await send(token, 'GET', '/roles')).json() as { items: { reach: string }[] }
    expect(new Set(listed.items.map(({ reach }) => reach))).to.deep.equal(new Set(['acme']))
  })

  it('cannot be granted to a deleted account, not even during the deletion', async () => {
    const { core } = server
    const { account } = await core.accounts.create(defaultTenant, { email: 'leaver@example.com' })
    const body = { account_id: account.id, role: 'auditor', reach: everywhere }
    const deleted = Promise.withResolvers<void>()
    const waited = Promise.withResolvers<void>()
    const deletion = core.database.transaction(async () => {
      await core.revocations.deleteAccount(account, { by: 'operator' })
      deleted.resolve()
      await waited.promise
    })
    await deleted.promise
    let isOver = false
    const given = send(owner, 'POST', '/roles', { body }).finally(() => {
      isOver = true
    })
    await eventually('the role is granted, or waits for a lock', async () => {
      // Embedded storage has only one connection.
      if (isOver || anyStorage === 'embedded') return true
      const waiting = await core.database.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return waiting.length > 0
    })
    waited.resolve()
    await deletion
    expectCode(await given, 404, 'subject_unknown')
    expectCode(await send(owner, 'POST', '/roles', { body }), 404, 'subject_unknown')
    expect(await core.roles.of({ accountId: account.id })).to.deep.equal([])
  })

  it('can be granted, revoked and listed only within the reach of a role that permits it', async () => {
    const mixed = await machineWith(server, 'owner', 'acme')
    const { roles } = server.core
    await roles.grant({ clientId: mixed.client_id }, 'help_desk', 'other')
    const token = await tokenOf(server, mixed)
    const { client_id } = await machineWith(server)
    const give = (reach: string) =>
      send(token, 'POST', '/roles', { body: { client_id, role: 'help_desk', reach } })
    expectCode(await give('other'), 403, 'permission_denied')
    expect((await give('acme')).status).to.equal(201)

    const theirs = await roles.grant({ clientId: client_id }, 'help_desk', 'other')
    expectCode(await send(token, 'GET', `/roles/${theirs?.id}`), 404, 'role_not_found')
    expectCode(await send(token, 'DELETE', `/roles/${theirs?.id}`), 404, 'not_found')
    for (const [list, name] of [
      ['/roles', 'reach'],
      ['/tenants', 'id'],
    ] as const) {
      const { items } = (await send(token, 'GET', list)).json() as {
        items: Record<string, string>[]
      }
      expect([...new Set(items.map((item) => item[name]))], list).to.deep.equal(['acme'])
    }
  })

  it('gives only the permissions that the scopes of the token include', async () => {
    const machine = await machineWith(server, 'owner')
    const few = (['clients:write', 'accounts:write', 'roles:write'] as const).map(scopeOf)
    const token = await tokenOf(server, machine, few.join(' '))
    const itself = `/tenants/default/clients/${machine.client_id}`
    const account = `/tenants/default/accounts/${protectedOnes['account_id']}`
    const { client_id } = await machineWith(server)
    const { identifier } = adminResource(server.core.config.issuer)
    const email = `${randomUUID()}@example.com`
    const deputy = { redirect_uris: ['https://evil.example.com/callback'], resources: [identifier] }
    const attempts: Array<[method: string, path: string, body?: object]> = [
      ['PUT', itself, { grant_types: ['client_credentials'], client_secret: 'x'.repeat(32) }],
      ['POST', `${itself}/secrets`, { overlap: 60 }],
      ['POST', '/tenants/default/clients', deputy],
      ['POST', '/roles', { client_id, role: 'help_desk', reach: 'acme' }],
      ['POST', `${account}/one-time-password`],
      ['PATCH', account, { email }],
    ]
    for (const [method, path, body] of attempts) {
      expectCode(await send(token, method, path, { body }), 403, 'scope_insufficient')
    }
    expect((await send(token, 'PATCH', account, { body: { name: 'Boss' } })).status).to.equal(200)
    const roles = await server.core.roles.of({ clientId: machine.client_id })
    const page = await send(token, 'DELETE', `/roles/${roles[0]?.id}`)
    expect(page.status, 'revoking its own role needs no further scopes').to.equal(204)
  })

  it('cannot set an address that another account has, in any spelling', async () => {
    const { core } = server
    const [email, next] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
    const { account: theirs } = await core.accounts.create(defaultTenant, { email })
    const { account } = await core.accounts.create(defaultTenant, {
      email: `${randomUUID()}@example.com`,
    })
    const path = `/tenants/default/accounts/${account.id}`
    for (const taken of [email, email.toUpperCase()]) {
      const body = { email: taken, email_verified: true }
      expectCode(await send(operator, 'PATCH', path, { body }), 409, 'account_exists')
    }
    expect((await send(operator, 'PATCH', path, { body: { email: next } })).status).to.equal(200)
    const accountIdOf = async (identifier: string) =>
      (await core.accounts.byIdentifier(defaultTenant, identifier))?.id
    expect([
      await accountIdOf(next),
      await accountIdOf(account.email),
      await accountIdOf(email),
    ]).to.deep.equal([account.id, undefined, theirs.id])
  })

  it('cannot get tokens with more permissions by changing its own client', async () => {
    const machine = await machineWith(server, 'operator')
    const token = await tokenOf(server, machine)
    const itself = `/tenants/default/clients/${machine.client_id}`
    const body = { grant_types: ['client_credentials'], scope: scopeOf('keys:write') }
    expectCode(await send(token, 'PUT', itself, { body }), 403, 'subject_protected')
    expectCode(
      await send(token, 'POST', `${itself}/secrets`, { body: {} }),
      403,
      'subject_protected',
    )
    const path = '/tenants/default/clients'
    expectCode(await send(token, 'POST', path, { body }), 403, 'subject_protected')
    expect((await send(owner, 'POST', path, { body })).status).to.equal(201)
  })

  it('in one tenant neither weakens sign-in of all operators, nor enables a disabled tenant', async () => {
    const tokenIn = async (reach: string) =>
      tokenOf(server, await machineWith(server, 'owner', reach))
    const [ofDefault, ofAcme] = [await tokenIn(defaultTenant), await tokenIn('acme')]
    for (const body of [{ require_mfa: false }, { email_codes: true }]) {
      const path = '/tenants/default'
      expectCode(await send(ofDefault, 'PATCH', path, { body }), 403, 'permission_denied')
      expect((await send(owner, 'PATCH', path, { body })).status).to.equal(200)
      expect((await send(ofAcme, 'PATCH', '/tenants/acme', { body })).status).to.equal(200)
    }
    const enable = '/tenants/acme/enable'
    expectCode(await send(ofAcme, 'POST', enable), 403, 'permission_denied')
    expect((await send(owner, 'POST', enable)).status).to.equal(200)
  })

  it('of the last owner cannot be removed', async () => {
    const { core } = server
    const { client_id: clientId = '', account_id: accountId = '' } = protectedOnes
    const page = (await send(owner, 'GET', '/roles?limit=200')).json() as {
      items: Array<{ id: string; role: string; reach: string; client_id?: string }>
    }
    const owners = page.items.filter(({ role, reach }) => role === 'owner' && reach === '*')
    const others = owners.filter(({ client_id }) => client_id !== first.client_id)
    expect(others.length).to.be.above(1)
    for (const { id } of others) {
      expect((await send(owner, 'DELETE', `/roles/${id}`)).status).to.equal(204)
    }
    const own = owners.find(({ client_id }) => client_id === first.client_id)
    expectCode(await send(owner, 'DELETE', `/roles/${own?.id}`), 409, 'last_owner')
    const client = `/tenants/default/clients/${first.client_id}`
    expectCode(await send(owner, 'POST', `${client}/disable`), 409, 'last_owner')
    expectCode(await send(owner, 'DELETE', client), 409, 'last_owner')
    const person = await core.accounts.find(defaultTenant, accountId)
    if (!person) throw new Error('no account')

    // A disabled subject does not count as a remaining owner; an enabled one does.
    await core.roles.grant({ accountId }, 'owner', everywhere)
    await core.roles.grant({ clientId }, 'owner', everywhere)
    await core.clients.setDisabled(defaultTenant, clientId, true)
    const account = `/tenants/default/accounts/${accountId}`
    expect((await send(owner, 'POST', `${account}/disable`)).status).to.equal(200)
    expectCode(await send(owner, 'DELETE', client), 409, 'last_owner')
    expect((await send(owner, 'POST', `${account}/enable`)).status).to.equal(200)
    expect((await send(owner, 'DELETE', client)).status).to.equal(204)

    // The account is now the last owner, so its own pages cannot delete it either.
    expect(await core.revocations.deleteAccount(person, { by: 'owner' })).to.equal(false)
    await core.roles.grant({ clientId: (await machineWith(server)).client_id }, 'owner', everywhere)
    for (const isNews of [true, false])
      expect(await core.revocations.deleteAccount(person, { by: 'owner' })).to.equal(isNews)
    expect(await core.roles.of({ accountId })).to.deep.equal([])

    // When all owners are removed at once, one remains; the same holds for operators.
    await core.roles.grant({ clientId: (await machineWith(server)).client_id }, 'owner', everywhere)
    const left = await core.roles.page(undefined, { reaches: [everywhere], limit: 100 })
    const clientIds = left.flatMap(({ role, subject }) =>
      role === 'owner' && 'clientId' in subject ? subject.clientId : [],
    )
    expect(clientIds.length).to.be.above(1)
    const { revocations } = core
    expect((await revocations.deleteClients(defaultTenant, clientIds)).size).to.equal(
      clientIds.length - 1,
    )
    const email = 'second-operator@example.com'
    await core.accounts.declare(defaultTenant, { email, roles: ['operator'] })
    const operators = await core.accounts.lists.operators(defaultTenant)
    const ids = operators.map(({ id }) => id)
    expect(ids.length).to.be.above(1)
    expect((await revocations.deleteAccounts(defaultTenant, ids)).size).to.equal(ids.length - 1)
  })
})
