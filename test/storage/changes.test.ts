import { expect } from 'chai'
import { registrationPolicy } from '../../src/registration/policy.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { openedNodes } from '../support/cores.ts'
import { eventually, lastFailureAt } from '../support/eventually.ts'
import { api, furnish, machine } from '../support/fixtures.ts'
import { servicesFound } from '../support/root-hooks.ts'

const suite = servicesFound() ? describe : describe.skip
suite("a node's cache of what another node changes (ADR 0024)", () => {
  const nodes = openedNodes('services')
  before(() => furnish({ core: nodes.a }))

  const seenBy = (node: 'a' | 'b') => nodes[node].clients.find(defaultTenant, machine.client_id)
  const setDisabled = (disabled: boolean) =>
    nodes.a.clients.setDisabled(defaultTenant, machine.client_id, disabled)
  const elsewhere = (sql: string) => nodes.a.database.execute(sql, [machine.client_id])

  /** How many connections b takes from its pool for a given source file while `work` runs. */
  async function questions(file: string, work: (asked: () => number) => Promise<unknown>) {
    const { dataSource } = nodes.b.database
    const create = dataSource.createQueryRunner.bind(dataSource)
    let asked = 0
    dataSource.createQueryRunner = () => {
      if (new Error('who').stack?.includes(file)) asked++
      return create()
    }
    await work(() => asked).finally(() => {
      dataSource.createQueryRunner = create
    })
    return asked
  }
  const asksForIt = () => questions('client.store.ts', () => seenBy('b'))

  /** Waits until b has polled for changes three times. */
  async function severalPolls(): Promise<void> {
    const { notifications } = nodes.b.storage
    const { query } = notifications
    let polls = 0
    notifications.query = (sql, parameters) => {
      if (sql.includes('from changes')) polls++
      return query(sql, parameters)
    }
    await eventually('b has polled three times', () => polls > 2)
    notifications.query = query
  }

  /** Within the promised second, counted to the last request that still saw the old state. */
  async function soon(what: string, check: () => Promise<boolean>): Promise<void> {
    expect(await lastFailureAt(what, check), what).to.be.below(1000)
  }
  const isForgotten = () => soon('b has dropped the client', async () => !(await seenBy('b')))

  beforeEach(async () => {
    await setDisabled(false)
    await eventually('b knows the client', () => seenBy('b'))
  })

  it('reads once, and forgets within a second of a change, at once on the node that changes it', async () => {
    await eventually('the client is cached', async () => (await asksForIt()) === 0)
    await setDisabled(true)
    expect(await seenBy('a')).to.equal(undefined)
    await isForgotten()
  })

  it('forgets on any change, by any process and in any related table', async () => {
    await elsewhere(`update client_secrets set expires_at = '2020-01-01' where client_id = $1`)
    await soon(
      'b knows that the secret has expired',
      async () =>
        (await seenBy('b'))?.secrets.some(({ expiresAt }) => expiresAt !== undefined) === true,
    )
    const scopes = async () => (await nodes.b.resources.find(defaultTenant, api))?.scopes
    expect(await scopes()).to.deep.equal(['orders:read', 'orders:write'])
    await nodes.a.database.execute(
      `update resource_servers set scopes = '{}' where identifier = $1`,
      [api],
    )
    await soon('b knows the scopes', async () => (await scopes())?.length === 0)
  })

  it('forgets when the change commits, however long after the statement', async () => {
    await nodes.a.database.transaction(async () => {
      await setDisabled(true)
      await severalPolls()
      expect(await seenBy('b'), 'not committed yet').to.include({ clientId: machine.client_id })
    })
    await isForgotten()
    expect(await seenBy('a')).to.equal(undefined)
  })

  it('forgets when the change becomes visible, however long before that it was dated', async () => {
    await nodes.a.database.transaction(async () => {
      await setDisabled(true)
      await nodes.a.database.execute('set constraints all immediate')
      // As after a commit that took this long: a hanging standby, or a million rows in the same transaction.
      const dated = await nodes.a.database.execute(
        `update changes set changed_at = changed_at - interval '1 hour'
         where subject = $1 and changed_in::text = pg_current_xact_id()::text`,
        [machine.client_id],
      )
      expect(dated).to.equal(1)
      await severalPolls()
      expect(await seenBy('b'), 'not committed yet').to.include({ clientId: machine.client_id })
    })
    await isForgotten()
  })

  it('drops an entry once per change and keeps it then, although polls look back', async () => {
    const isKept = async () => {
      await severalPolls()
      return (await asksForIt()) === 0
    }
    // Polls look back over the change for longer.
    await eventually('the client stays cached', isKept, { within: 15_000 })
  })

  it('forgets tenants and policies too, and does not query Postgres while nothing changes', async () => {
    const { a, b } = nodes
    const asks = async () => {
      const mfa = (await b.tenants.find(defaultTenant))?.requireMfa
      const { mode } = await b.registrationPolicies.of(defaultTenant)
      return { mfa, mode }
    }
    expect(await asks()).to.deep.equal({ mfa: false, mode: 'off' })
    await severalPolls()
    const files = ['tenants.ts', 'policies.ts']
    for (const file of files) {
      await eventually(`${file} queries nothing`, async () => (await questions(file, asks)) === 0)
    }
    await a.tenants.setPolicy(defaultTenant, { requireMfa: true })
    await a.registrationPolicies.declare(defaultTenant, registrationPolicy.parse({ mode: 'open' }))
    await soon('b knows both policies', async () => {
      const { mfa, mode } = await asks()
      return mfa === true && mode === 'open'
    })
    await a.database.execute('delete from registration_policies')
    await soon('b knows the default policy', async () => (await asks()).mode === 'off')
    await a.tenants.setDisabled(defaultTenant, true)
    await soon(
      'b knows that the tenant is disabled',
      async () => !(await b.tenants.find(defaultTenant)),
    )
    await a.tenants.setDisabled(defaultTenant, false)
  })

  it('forgets everything after an import of more changes than a poll reads, and still sees the next change', async () => {
    const named: string[] = []
    let dropped = 0
    nodes.b.changes.follow('client', {
      changed: (_tenant, subject) => named.push(subject),
      muchChanged: () => dropped++,
    })
    await nodes.a.database.execute(
      `insert into changes (tenant_id, kind, subject, changed_at, changed_in)
       select $1, 'client', 'imported-' || n, now(), 0 from generate_series(1, 10001) n`,
      [defaultTenant],
    )
    await eventually('b drops everything', () => dropped > 0)
    expect(named.filter((subject) => subject.startsWith('imported-'))).to.deep.equal([])
    await severalPolls()
    await eventually('b knows all changes', () => nodes.b.changes.isFresh())
    await eventually('b knows the client', () => seenBy('b'))
    await setDisabled(true)
    await isForgotten()
    await nodes.a.database.execute(`delete from changes where subject like $1`, ['imported-%'])
  })

  it('forgets everything when another server answers, as a standby counts transactions from its own position', async () => {
    let dropped = 0
    nodes.b.changes.follow('client', { changed: () => undefined, muchChanged: () => dropped++ })
    const { notifications } = nodes.b.storage
    const { query } = notifications
    notifications.query = async <Row>(sql: string, parameters?: unknown[]) => {
      const rows = await query(sql, parameters)
      for (const row of sql.includes('from changes') ? rows : []) {
        for (const [name, text] of Object.entries(row)) {
          // The start time of the server precedes its snapshot.
          if (typeof text === 'string') row[name] = text.replace(/^[\d.]+ (?=\d+:\d+:)/, '1.0 ')
        }
      }
      return rows as Row[]
    }
    await eventually('b drops everything', () => dropped > 0)
    notifications.query = query
    await eventually('b drops everything again', () => dropped > 1)
    expect(dropped).to.equal(2)
  })

  it('is bypassed while the node cannot read changes', async () => {
    nodes.b.changes.stop()
    expect(await asksForIt()).to.equal(1)
    await setDisabled(true)
    expect(await seenBy('b')).to.equal(undefined)
    await nodes.b.changes.start()
    expect(await seenBy('b')).to.equal(undefined)
  })
})
