import { expect } from 'chai'
import { accountsDisable } from '../../src/cli/accounts-change.ts'
import { adminBootstrap } from '../../src/cli/admin-bootstrap.ts'
import { clientsDelete, clientsDisable, clientsEnable } from '../../src/cli/clients-disable.ts'
import { UsageError } from '../../src/cli/command.ts'
import { rolesGrant, rolesList, rolesRevoke } from '../../src/cli/roles.ts'
import { anyStorage } from '../support/any-storage.ts'
import { openedCore, refusalOf } from '../support/cores.ts'

const io = { env: {}, stdin: async () => '', out: () => undefined, err: () => undefined }

describe('roles on the command line', () => {
  const core = openedCore(anyStorage)
  before(async () => {
    await core.firstStart()
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    await core.accounts.create('default', { email: 'carol@example.com' })
  })

  it('start with a bootstrap that works once, and then names the alternative (C30)', async () => {
    const made = await adminBootstrap.execute(core, {})
    expect(made).to.deep.include({
      client_id: 'keyturn-admin',
      resource: `${core.config.issuer}/admin/v1`,
      owners: ['operator@example.com'],
    })
    const client = await core.clients.find('default', made.client_id)
    expect(client && core.clients.secretFits(client, made.client_secret)).to.equal(true)
    expect(adminBootstrap.render(made)).to.include(made.client_secret)
    const refusal = await refusalOf(adminBootstrap.execute(core, {}), 'bootstrap_done')
    expect(refusal.message).to.include('roles grant owner')
  })

  it('are granted, listed, revoked and audited', async () => {
    const args = (options: Record<string, unknown>) => ({ operands: ['help_desk'], options })
    const input = await rolesGrant.prepare(args({ account: 'carol@example.com', in: 'acme' }), io)
    expect(await rolesGrant.execute(core, input)).to.deep.equal({ granted: true })
    expect(await rolesGrant.execute(core, input)).to.deep.equal({ granted: false })
    expect(() => rolesGrant.prepare(args({ in: '*' }), io)).to.throw(UsageError)
    expect(() => rolesGrant.prepare(args({ account: 'a', client: 'b', in: '*' }), io)).to.throw(
      UsageError,
    )
    await refusalOf(rolesGrant.execute(core, { ...input, reach: 'nowhere' }), 'not_found')
    await refusalOf(
      rolesGrant.execute(core, { client: 'nobody', role: 'auditor', reach: '*' }),
      'subject_unknown',
    )

    const listed = await rolesList.execute(core, {})
    const carol = listed.roles.find(({ account }) => account === 'carol@example.com')
    expect(carol).to.include({ role: 'help_desk', reach: 'acme' })
    expect(rolesList.render(listed)).to.match(/carol@example.com +help_desk +acme/)
    await rolesRevoke.execute(core, { id: carol?.id ?? '' })
    await refusalOf(rolesRevoke.execute(core, { id: carol?.id ?? '' }), 'role_not_found')
    const { events } = await core.audit.listEvents('default', {}, { limit: 30 })
    expect(events.map(({ type }) => type)).to.include.members([
      'admin.bootstrapped',
      'admin.role_granted',
      'admin.role_revoked',
    ])
  })

  it('keep the last owner with every command, except with --force (C21)', async () => {
    const tenant = 'default'
    const force = true
    const client = { tenant, client_id: 'keyturn-admin' }
    const account = { tenant, identifier: 'operator@example.com' }
    // If two owners are removed concurrently, one remains.
    const both = await Promise.allSettled([
      accountsDisable.execute(core, { ...account, force }),
      clientsDisable.execute(core, { ...client }),
    ])
    expect(both[0]?.status).to.equal('fulfilled')
    if (both[1]?.status === 'fulfilled') await clientsEnable.execute(core, { ...client, force })
    for (const command of [clientsDisable, clientsDelete]) {
      await refusalOf(command.execute(core, { ...client }), 'last_owner')
    }
    const { roles } = await rolesList.execute(core, {})
    const { id = '' } = roles.find(({ client_id }) => client_id === client.client_id) ?? {}
    await refusalOf(rolesRevoke.execute(core, { id }), 'last_owner')
    expect(await core.clients.isDisabled(tenant, client.client_id)).to.equal(false)

    // An account that is the last owner but not an operator is protected, too.
    const carol = { tenant, identifier: 'carol@example.com' }
    const made = { account: carol.identifier, role: 'owner' as const, reach: '*' }
    await rolesGrant.execute(core, made)
    await rolesRevoke.execute(core, { id })
    await refusalOf(accountsDisable.execute(core, { ...carol }), 'last_owner')
    const { changed } = await accountsDisable.execute(core, { ...carol, force })
    expect(changed).to.equal(true)
    // A user of this machine can bootstrap again.
    expect(await adminBootstrap.execute(core, {})).to.include({ client_id: client.client_id })
  })
})
