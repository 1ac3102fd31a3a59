import { expect } from 'chai'
import {
  accountsDisable,
  accountsEnable,
  accountsReset,
  accountsSignOut,
} from '../../src/cli/accounts-change.ts'
import { accountsSignOutAll } from '../../src/cli/accounts-sign-out-all.ts'
import { clientsDelete, clientsDisable, clientsEnable } from '../../src/cli/clients-disable.ts'
import { type Io, UsageError } from '../../src/cli/command.ts'
import { grantsList, grantsRevoke } from '../../src/cli/grants.ts'
import { sessionsEnd, sessionsList } from '../../src/cli/sessions.ts'
import { tenantsDisable, tenantsEnable, tenantsList } from '../../src/cli/tenants.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { refusalOf } from '../support/cores.ts'
import { alice, api, furnish, spa, web } from '../support/fixtures.ts'
import { expectRefusal, refresh, tokensFor } from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'

const tenant = 'default'
const ofAlice = { tenant, identifier: alice.email }

onAnyStorage('commands that revoke', (kind) => {
  let server: TestServer
  beforeEach(async () => {
    server = await boot(kind)
    await furnish(server)
  })
  afterEach(() => {
    backToPresent()
    return server?.stop()
  })

  /** The recorded actions, without events of their consequences. */
  async function recorded() {
    const { database } = server.core
    const rows = await database.query(
      `select tenant_id, type, account_id, client_id, ip, user_agent, detail from audit_events
       where detail ? 'by'
       order by at, id`,
    )
    return rows.map((row) =>
      Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)),
    )
  }
  const accountId = async () =>
    (await server.core.accounts.byIdentifier(tenant, alice.email))?.id as string
  const operator = { by: 'operator' }

  it('grants list and revoke: show a consent and end it (ASVS 7.4.2, 16.3)', async () => {
    const { core } = server
    const wanted = { scope: 'openid offline_access orders:read', resource: api }
    const tokens = await tokensFor(server, web, wanted)
    await tokensFor(server, spa, {})
    const { grants } = await grantsList.execute(core, { tenant, client: web.client_id })
    expect(grants).to.have.length(1)
    expect(grants[0]).to.deep.include({
      account: alice.email,
      client_id: 'web',
      scopes: ['offline_access', 'openid', 'orders:read'],
    })
    expect(grantsList.render({ grants })).to.match(/^alice@example.com {2}web {2}offline_access /)

    const revoke = () => grantsRevoke.execute(core, { ...ofAlice, client_id: web.client_id })
    expect(await revoke()).to.deep.equal({ account: alice.email, client_id: 'web', changed: true })
    expectRefusal(await refresh(server, web, tokens), 400, 'invalid_grant')
    expect((await revoke()).changed).to.equal(false)
    const left = await grantsList.execute(core, { tenant, account: alice.email })
    expect(left.grants.map(({ client_id }) => client_id)).to.deep.equal(['spa'])
    expect(await recorded()).to.deep.equal([
      {
        tenant_id: tenant,
        type: 'grant.revoked',
        account_id: await accountId(),
        client_id: 'web',
        detail: operator,
      },
    ])
  })

  it('accounts sign-out-all: invalidates all tokens, and names only accounts that were signed in (R-17)', async () => {
    const { core } = server
    const wanted = { scope: 'openid offline_access orders:read', resource: api }
    const [agent, tokens] = [createUserAgent(), await tokensFor(server, web, wanted)]
    const bound = await tokensFor(server, web, {}, agent)
    const all = { operands: [], options: { tenant } }
    expect(() => accountsSignOutAll.prepare(all, {} as Io)).to.throw(UsageError, '--yes')
    const issuedAt = core.clock.seconds()
    const { accounts } = await accountsSignOutAll.execute(core, { tenant })
    expect(accounts).to.deep.equal([{ id: await accountId(), email: alice.email }])
    for (const each of [tokens, bound]) {
      expectRefusal(await refresh(server, web, each), 400, 'invalid_grant')
    }
    expect((await agent.get(`${server.issuer}/account`)).status).to.equal(303)
    const denied = core.denials.anyDenies(tenant, [{ kind: 'tenant', subject: tenant }], issuedAt)
    expect(denied, 'tokens of machine clients').to.equal(true)
    expect((await accountsSignOutAll.execute(core, { tenant })).accounts).to.deep.equal([])
  })

  it('sessions list and end: signs out one browser and leaves another', async () => {
    const { core } = server
    const [agent, other] = [createUserAgent(), createUserAgent()]
    await tokensFor(server, web, {}, agent)
    const bound = await tokensFor(server, web, {}, other)
    const { sessions } = await sessionsList.execute(core, { tenant, account: alice.email })
    expect(sessions.map(({ account, clients }) => [account, clients])).to.deep.equal([
      [alice.email, ['web']],
      [alice.email, ['web']],
    ])
    // The one used last comes first.
    const { id } = sessions[0] as { id: string }
    expect(await sessionsEnd.execute(core, { tenant, id })).to.deep.equal({ id, changed: true })
    expectRefusal(await refresh(server, web, bound), 400, 'invalid_grant')
    expect((await other.get(`${server.issuer}/account`)).status).to.equal(303)
    expect((await agent.get(`${server.issuer}/account`)).status).to.equal(200)
    expect((await sessionsEnd.execute(core, { tenant, id })).changed).to.equal(false)
    expect((await sessionsList.execute(core, { tenant })).sessions).to.have.length(1)
    expect(await recorded()).to.deep.equal([
      {
        tenant_id: tenant,
        type: 'session.ended',
        account_id: await accountId(),
        detail: { ...operator, session: id },
      },
    ])
  })

  it('tenants list, disable and enable: an issuer is withdrawn and restored', async () => {
    const { core } = server
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    const jwks = `${server.issuer}/t/acme/jwks`
    const status = async () => (await createUserAgent().get(jwks)).status
    expect(await status()).to.equal(200)
    const set = (command: typeof tenantsDisable) => command.execute(core, { tenant: 'acme' })
    expect(await set(tenantsDisable)).to.deep.equal({ tenant: 'acme', changed: true })
    expect((await set(tenantsDisable)).changed).to.equal(false)
    const { tenants } = await tenantsList.execute(core, {})
    const disabled = {
      id: 'acme',
      name: 'Acme',
      issuer: `${server.issuer}/t/acme`,
      sign_up: { mode: 'closed', domains: [] },
      disabled: true,
      require_mfa: false,
      email_codes: false,
    }
    expect(tenants[0]).to.deep.equal(disabled)
    expect(tenants[1]).to.include({ id: 'default', disabled: false })
    expect(tenantsList.render({ tenants })).to.match(/^acme .*disabled$/m)
    travel(2)
    expect((await set(tenantsEnable)).changed).to.equal(true)
    expect(await recorded()).to.deep.equal([
      { tenant_id: 'acme', type: 'tenant.disabled', detail: operator },
      { tenant_id: 'acme', type: 'tenant.enabled', detail: operator },
    ])

    await refusalOf(tenantsDisable.execute(core, { tenant }), 'not_found')
    await refusalOf(tenantsDisable.execute(core, { tenant: 'none' }), 'not_found')
  })

  it('hash a new password before the transaction that stores it', async () => {
    const { core } = server
    const inTransaction: Array<boolean | undefined> = []
    const accounts = {
      ...core.accounts,
      readyOneTime() {
        inTransaction.push(core.database.current()?.isOpen())
        return core.accounts.readyOneTime()
      },
    }
    await accountsReset.execute({ ...core, accounts }, ofAlice)
    expect(inTransaction).to.deep.equal([undefined])
  })

  it('record the actor, once for each action that changed something (ASVS 16.3)', async () => {
    const { core } = server
    const id = await accountId()
    const ofWeb = { tenant, client_id: web.client_id }
    await accountsSignOut.execute(core, ofAlice)
    await accountsReset.execute(core, ofAlice)
    for (let i = 0; i < 2; i++) await accountsDisable.execute(core, ofAlice)
    for (let i = 0; i < 2; i++) await accountsEnable.execute(core, ofAlice)
    for (let i = 0; i < 2; i++) await clientsDisable.execute(core, ofWeb)
    travel(2)
    for (let i = 0; i < 2; i++) await clientsEnable.execute(core, ofWeb)
    await clientsDelete.execute(core, ofWeb)
    const ofAccount = { tenant_id: tenant, account_id: id, detail: operator }
    const ofClient = { tenant_id: tenant, client_id: web.client_id, detail: operator }
    expect(await recorded()).to.have.deep.members([
      { ...ofAccount, type: 'account.signed_out_everywhere' },
      { ...ofAccount, type: 'account.password_changed' },
      { ...ofAccount, type: 'account.disabled' },
      { ...ofAccount, type: 'account.enabled' },
      { ...ofClient, type: 'client.disabled' },
      { ...ofClient, type: 'client.enabled' },
      { ...ofClient, type: 'client.deleted' },
    ])
  })

  it('record a family that ended with its client, although its row is gone', async () => {
    await tokensFor(server, web, { scope: 'openid offline_access' })
    const { core } = server
    await clientsDelete.execute(core, { tenant, client_id: web.client_id })
    const events = await core.database.query(
      `select type, detail from audit_events where type = 'family.ended'`,
    )
    expect(events).to.deep.equal([{ type: 'family.ended', detail: { reason: 'client_deleted' } }])
  })

  it('record address and user agent if the owner of the account acted', async () => {
    const agent = createUserAgent({ called: 'Netscape' })
    await tokensFor(server, web, {}, agent)
    const page = await agent.get(`${server.issuer}/account`)
    await agent.submit(page, { form: '#sign-out-everywhere-form' })
    expect(await recorded()).to.deep.equal([
      {
        tenant_id: tenant,
        type: 'account.signed_out_everywhere',
        account_id: await accountId(),
        ip: '127.0.0.1',
        user_agent: 'Netscape',
        detail: { by: 'owner' },
      },
    ])
  })
})
