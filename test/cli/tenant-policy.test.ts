import { expect } from 'chai'
import { apply } from '../../src/cli/apply.ts'
import { applyDocument } from '../../src/cli/apply-file.ts'
import { tenantsList } from '../../src/cli/tenants.ts'
import type { Core } from '../../src/core.ts'
import { anyStorage } from '../support/any-storage.ts'
import { freshStorage } from '../support/boot.ts'
import { openNode } from '../support/cores.ts'
import { exportedFrom } from '../support/exported.ts'

const tenant = 'default'

describe('the policy of a tenant on the command line', () => {
  let core: Core
  before(async () => {
    // One hash at a time, and no queue.
    const queue = { HASH_CONCURRENCY: '1', HASH_QUEUE: '0' }
    core = await openNode({ ...(await freshStorage(anyStorage)), ...queue })
    await core.firstStart()
  })
  after(() => core?.close())

  const applied = async (content: object, plan = false) => {
    const document = applyDocument.parse(content)
    const { changes } = await apply.execute(core, { tenant, document, plan })
    return changes.map(({ id, outcome }) => `${id} ${outcome}`)
  }
  const required = async () => {
    const { tenants } = await tenantsList.execute(core, {})
    return tenants.filter(({ require_mfa }) => require_mfa).map(({ id }) => id)
  }

  it('is applied, listed, exported and audited; absent members stay unchanged', async () => {
    const acme = { id: 'acme', name: 'Acme' }
    const all = { require_mfa: true, tenants: [{ ...acme, require_mfa: true }] }
    expect(await applied(all, true)).to.deep.equal(['acme created', 'default updated'])
    expect(await required(), 'a plan').to.deep.equal([])
    expect(await applied(all)).to.deep.equal(['acme created', 'default updated'])
    expect(await applied(all)).to.deep.equal(['acme unchanged', 'default unchanged'])
    expect(await applied({ tenants: [acme] })).to.deep.equal(['acme unchanged'])
    expect(await required()).to.deep.equal(['acme', 'default'])
    const { tenants } = await tenantsList.execute(core, {})
    expect(tenantsList.render({ tenants })).to.match(/^acme .*second factor required$/m)

    const exported = await exportedFrom(core, tenant)
    expect(exported).to.have.property('require_mfa', true)
    expect(exported.tenants?.[0]).to.deep.include({ ...acme, require_mfa: true })
    expect(await applied(exported))
      .to.include('default unchanged')
      .and.include('acme unchanged')

    const off = { require_mfa: false, tenants: [{ ...acme, require_mfa: false }] }
    expect(await applied(off)).to.deep.equal(['acme updated', 'default updated'])
    expect(await required()).to.deep.equal([])
    const events = await core.database.query<{ tenant_id: string; detail: object }>(
      `select tenant_id, detail from audit_events where type = 'tenant.policy_changed' order by at, tenant_id`,
    )
    const event = (tenant_id: string, require_mfa: boolean) => ({
      ...{ tenant_id, detail: { by: 'operator', require_mfa } },
    })
    expect(events).to.have.deep.members([
      ...[event('acme', true), event('default', true)],
      ...[event('acme', false), event('default', false)],
    ])
  })

  it('has passwords hashed before its transaction, with the policy of the same file', async () => {
    const seen: Array<[inTransaction: boolean, ahead: boolean]> = []
    const inTransaction = () => core.database.current()?.isOpen() === true
    const accounts: typeof core.accounts = {
      ...core.accounts,
      readyDeclared(...of) {
        seen.push([inTransaction(), true])
        return core.accounts.readyDeclared(...of)
      },
      declare(...of) {
        seen.push([inTransaction(), of[2] !== undefined])
        return core.accounts.declare(...of)
      },
    }
    const short = { email: 'short@example.com', password: 'ten7chars.' }
    const members = { name: 'Factors', require_mfa: true, accounts: [short] }
    const document = applyDocument.parse({ tenants: [{ id: 'factors', ...members }] })
    const input = { tenant, document, plan: false }
    await apply.execute({ ...core, accounts }, input)
    expect(seen).to.deep.equal([
      [false, true],
      [true, true],
    ])
    const other = { email: 'other@example.com', password: 'ten7chars.' }
    const refused = await applied({ accounts: [other] }).catch((error: unknown) => error)
    expect(refused)
      .to.have.nested.property('detail.faults')
      .that.match(/at least 15 characters/)
    expect(await core.accounts.byIdentifier(tenant, other.email)).to.equal(undefined)
  })

  it('waits while the hash queue is full', async () => {
    const refused = () => core.counters.read().hash_shed ?? 0
    const before = refused()
    const accounts = Array.from({ length: 20 }, (_, i) => ({
      email: `queue-${i}@example.com`,
      password: `a password to hash ${i}`,
    }))
    let isOver = false
    const applying = applied({ accounts }).finally(() => {
      isOver = true
    })
    applying.catch(() => undefined)
    while (!isOver && refused() === before)
      await core.accounts.readyOneTime().catch(() => undefined)
    expect(await applying).to.deep.equal(accounts.map(({ email }) => `${email} created`))
    expect(refused()).to.be.above(before)
  })
})
