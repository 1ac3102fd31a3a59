import { expect } from 'chai'
import { adminBootstrap } from '../../src/cli/admin-bootstrap.ts'
import { apply } from '../../src/cli/apply.ts'
import { type ApplyResult, renderApply } from '../../src/cli/apply-output.ts'
import { prune } from '../../src/cli/apply-prune.ts'
import type { Work } from '../../src/cli/apply-work.ts'
import { UsageError } from '../../src/cli/command.ts'
import { withOrigin } from '../../src/origin.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted, type TestServer } from '../support/boot.ts'
import { someFamily, someSession } from '../support/people.ts'
import { introspect, post, tokensIn } from '../support/protocol.ts'
import { countingTrips } from '../support/trips.ts'
import { dump, remember } from '../support/witness.ts'

/** The command as on the command line, but in this process. */
async function run(
  { core }: TestServer,
  content: object,
  ...flags: string[]
): Promise<ApplyResult> {
  const io = {
    env: {},
    stdin: async () => JSON.stringify(content),
    out: () => undefined,
    err: () => undefined,
  }
  const options = Object.fromEntries(flags.map((flag) => [flag, true]))
  const args = { operands: ['-'], options: { tenant: 'default', ...options } }
  const input = await apply.prepare(args, io)
  return withOrigin({ command: 'apply' }, () => apply.execute(core, input))
}

const faultOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: Error & { detail?: unknown }) =>
      error instanceof UsageError ? error.message : JSON.stringify(error.detail),
  )

describe('apply --prune', () => {
  const server = booted(anyStorage)
  let operatorEmail: string
  const secret = 'only-for-this-test-0001'
  const machine = (id: string) => ({
    client_id: id,
    client_secret: secret,
    grant_types: ['client_credentials'],
  })
  const orders = {
    identifier: 'https://orders.example.com',
    scopes: ['orders:read'],
    default: true,
  }
  const kept = {
    resource_servers: [{ ...orders, introspection_clients: ['stays'] }],
    clients: [{ ...machine('stays'), scope: 'orders:read' }],
    accounts: [{ email: 'stays@example.com' }] as Array<{ email: string; roles?: string[] }>,
    webhooks: [],
    tenants: [{ id: 'acme', name: 'Acme', clients: [] }],
  }
  const extra = {
    resource_servers: [{ identifier: 'urn:goes' }],
    clients: [machine('goes')],
    accounts: [{ email: 'Goes@example.com' }],
    webhooks: [
      { url: 'https://siem.example.com/', events: ['client.*'], secret: `whsec_${'A'.repeat(44)}` },
    ],
    tenants: [
      {
        id: 'acme',
        name: 'Acme',
        clients: [machine('goes')],
        accounts: [{ email: 'a@example.com' }],
      },
      { id: 'other', name: 'Other', clients: [machine('other')] },
    ],
  }

  before(async () => {
    remember(secret)
    const { accounts } = server.core
    const [first] = await accounts.lists.operators('default')
    operatorEmail = first?.email ?? ''
    kept.accounts.push({ email: operatorEmail, roles: ['operator'] })
    await run(server, kept)
    await run(server, extra)
  })

  const goes = [
    ['default', 'resource_server', 'urn:goes'],
    ['default', 'client', 'goes'],
    ['default', 'account', 'Goes@example.com'],
    ['default', 'webhook', 'https://siem.example.com/'],
    ['acme', 'client', 'goes'],
  ]
  const deletedIn = ({ changes }: ApplyResult) =>
    changes
      .filter(({ outcome }) => outcome === 'deleted')
      .map(({ tenant, kind, id }) => [tenant, kind, id])
  /** The content of the database without the outbox; seals all events first, as the background job does. */
  async function rows(): Promise<string> {
    const { audit, database } = server.core
    while ((await audit.sealEvents()) > 0);
    return dump(database, undefined, ['outbox', 'served_periods'])
  }

  it('deletes nothing without --yes, and shows what it would delete', async () => {
    expect(await faultOf(run(server, kept, 'prune'))).to.match(/add --yes/)
    expect(await faultOf(run(server, kept, 'yes'))).to.match(/--yes requires --prune/)
    const before = await rows()
    const plan = await run(server, kept, 'plan', 'prune')
    expect(deletedIn(plan)).to.have.deep.members(goes)
    expect(plan.deleted).to.equal(goes.length)
    expect(renderApply(plan))
      .to.match(/^- client goes$/m)
      .and.match(/^- client goes \(tenant acme\)$/m)
      .and.match(/^not declared: tenant other$/m)
      .and.match(/0 to update, 5 to delete, /)
    expect(await rows()).to.equal(before)
    expect((await run(server, kept, 'check', 'prune')).drift).to.equal(true)
  })

  it('spares tenants, and sections that the file does not have', async () => {
    const plan = await run(server, { clients: kept.clients }, 'plan', 'prune')
    expect(deletedIn(plan)).to.deep.equal([['default', 'client', 'goes']])
    const undeclared = plan.undeclared?.map(({ kind, id }) => `${kind} ${id}`)
    expect(undeclared).to.include.members(['account stays@example.com', 'tenant acme'])
  })

  it('changes nothing if one of the objects is protected: the last owner, the last operator', async () => {
    const { client_secret } = await adminBootstrap.execute(server.core, {})
    remember(client_secret)
    // The operator has become an owner, too; the machine client goes, since there is another owner.
    const before = await rows()
    const nobody = { ...kept, accounts: [{ email: 'stays@example.com' }] }
    const fault = await faultOf(run(server, nobody, 'prune', 'yes'))
    expect(fault)
      .to.include(
        `account ${operatorEmail}: expected at least one enabled owner of everything to remain`,
      )
      .and.not.include('enabled operator')
    expect(await rows()).to.equal(before)
    const plan = await run(server, kept, 'plan', 'prune')
    expect(deletedIn(plan)).to.have.deep.members([...goes, ['default', 'client', 'keyturn-admin']])

    const { roles } = server.core
    const owners = await roles.page(undefined, { limit: 9 })
    const own = owners.find(({ subject }) => 'accountId' in subject)
    await roles.revoke(own?.id ?? '')
    const alone = await faultOf(run(server, kept, 'prune', 'yes'))
    expect(alone).to.match(/client keyturn-admin: expected at least one enabled owner/)
    const unowned = await faultOf(run(server, { accounts: [] }, 'prune', 'yes'))
    expect(unowned)
      .to.include(
        `account ${operatorEmail}: expected at least one enabled operator of its tenant to remain`,
      )
      .and.not.include('owner')
    if (own) await roles.grant(own.subject, own.role, own.reach)
  })

  it('ignores objects that were deleted concurrently', async () => {
    const { core } = server
    const progress = { begin: () => undefined, progress: async () => undefined }
    const work = { ...progress, core, faults: [] as string[] } as unknown as Work
    const items = [
      { tenant: 'default', kind: 'account', id: 'gone@example.com' },
      { tenant: 'default', kind: 'client', id: 'gone' },
    ] as const
    await core.database.transaction(() => prune(work, items))
    expect(work.faults).to.deep.equal([])
    const which = { types: ['client.deleted', 'account.deleted'] } as const
    const { events } = await core.audit.listEvents('default', which, { limit: 1 })
    expect(events, 'and deletes nothing').to.deep.equal([])
  })

  it('deletes in the same transaction as all other changes, with dependent objects, and records events', async () => {
    const grant = { grant_type: 'client_credentials' }
    const client = machine('goes')
    const { access_token: token } = tokensIn(await post(server, '/token', client, grant))
    const active = async () => (await introspect(server, machine('stays'), token))['active']
    expect(await active()).to.equal(true)

    const done = await run(server, kept, 'prune', 'yes')
    expect(deletedIn(done)).to.deep.include.members(goes)
    expect(await active()).to.equal(false)
    expect((await post(server, '/token', client, grant)).status).to.equal(401)
    const { events } = await server.core.audit.listEvents(
      'default',
      {
        types: ['client.deleted', 'account.deleted', 'resource_server.deleted', 'webhook.removed'],
      },
      { limit: 10 },
    )
    expect(events.map(({ type, actor }) => [type, actor?.id])).to.have.deep.members([
      ['client.deleted', 'apply'],
      ['client.deleted', 'apply'],
      ['account.deleted', 'apply'],
      ['resource_server.deleted', 'apply'],
      ['webhook.removed', 'apply'],
    ])
    const again = await run(server, kept, 'check', 'prune')
    expect(again).to.include({ drift: false, deleted: 0 })
    expect(again.undeclared).to.deep.include({ tenant: 'other', kind: 'tenant', id: 'other' })
    const acme = (await server.core.accounts.lists.page('acme', { limit: 9 })).map(
      ({ email }) => email,
    )
    expect(acme, 'its file has no accounts').to.deep.equal(['a@example.com'])
  })

  it('needs as many statements for twenty objects as for one, and ends everything that each of them had', async () => {
    const { core } = server
    const told = {
      client_id: 'told',
      redirect_uris: ['https://told.example.com/callback'],
      backchannel_logout_uri: 'https://localhost:1/logout',
    }
    const staying = { ...kept, clients: [...kept.clients, told] }
    const trips: number[] = []
    for (const many of [1, 20]) {
      const names = Array.from({ length: many }, (_, i) => `many-${many}-${i}`)
      const accounts = names.map((name) => ({ email: `${name}@example.com` }))
      await run(server, { clients: [told, ...names.map(machine)], accounts })
      const people = await core.accounts.lists.named(
        'default',
        accounts.map(({ email }) => email),
      )
      for (const { id: accountId } of people) {
        const { family } = await someFamily(core, { accountId, clientId: 'told' })
        const clients = { told: { sid: newHandle(), persistsLogout: false } }
        const session = someSession({ uid: newHandle(), accountId, clients })
        await core.sessions.save('default', session, newHandle(), [], [])
        await someFamily(core, { accountId, clientId: names[0] ?? '' })
        expect(await core.sessions.byUid('default', session.uid)).to.include({ accountId })
        expect(family.accountId).to.equal(accountId)
      }
      const issuedAt = core.clock.seconds()
      const { all } = await countingTrips(core.database, async () => {
        expect(await run(server, staying, 'prune', 'yes')).to.include({ deleted: 2 * many })
      })
      trips.push(all)
      // Denials also cover clients without families, which may have tokens of their own.
      for (const [kind, subjects] of [
        ['client', names],
        ['account', people.map(({ id }) => id)],
      ] as const) {
        const isDenied = (subject: string) =>
          core.denials.anyDenies('default', [{ kind, subject }], issuedAt)
        expect(subjects.filter(isDenied), kind).to.deep.equal(subjects)
      }
      for (const { id: accountId } of people) {
        const families = await core.families.list('default', { accountId })
        expect(families.map(({ endedReason }) => endedReason)).to.deep.equal(['account_deleted'])
        expect(await core.sessions.list('default', accountId)).to.deep.equal([])
        const logouts = await core.logouts.list('default', { accountId })
        expect(logouts.map((each) => each.sid !== undefined)).to.have.members([true, false])
        const { events } = await core.audit.listEvents('default', { accountId }, { limit: 10 })
        expect(events.map(({ type }) => type)).to.include('account.deleted')
      }
      const types = ['family.ended'] as const
      const ended = await core.audit.listEvents('default', { types }, { limit: 2 * many })
      expect(ended.events.map(({ detail }) => detail?.['reason'])).to.have.members([
        ...names.map(() => 'client_deleted'),
        ...names.map(() => 'account_deleted'),
      ])
    }
    expect(trips[1]).to.be.at.most(trips[0] ?? 0)
  })

  it('leaves a client its stored names after deletion of a resource server, which no other client may add', async () => {
    await server.core.resources.delete('default', orders.identifier)
    const [stays] = kept.clients
    const renamed = { ...stays, client_name: 'Renamed' }
    const { changes } = await run(server, { clients: [renamed] })
    expect(changes.map(({ id, outcome }) => [id, outcome])).to.deep.equal([['stays', 'updated']])
    const more = { clients: [{ ...renamed, scope: 'orders:read orders:more' }] }
    expect(await faultOf(run(server, more))).to.match(/client stays: scope: .* scope orders:more/)
    const another = { clients: [{ ...machine('another'), scope: 'orders:read' }] }
    expect(await faultOf(run(server, another))).to.match(/client another: .* scope orders:read/)
  })
})
