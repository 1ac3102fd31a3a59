import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { freshStorage } from '../support/boot.ts'
import { runHere } from '../support/command-here.ts'
import { openNode } from '../support/cores.ts'
import { web } from '../support/fixtures.ts'
import { servicesFound } from '../support/root-hooks.ts'

const tenant = 'default'
const all = ['accounts', 'sign-out-all', '--yes']

interface Output {
  accounts: Array<{ id: string }>
  failed: Array<{ id: string; email: string; error: string }>
}

const onServices = servicesFound() ? describe : describe.skip
onServices('accounts sign-out-all (R-17)', () => {
  let core: Core
  let env: Record<string, string>

  before(async () => {
    env = await freshStorage('services')
    core = await openNode(env)
    await core.clients.declare(tenant, web)
    await core.database.query(
      `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
       select $1, id, email, email, false, '{}', now(), now()
       from generate_series(1, 60) n, format('p%s', lpad(n::text, 2, '0')) id, format('%s@example.com', 60 - n) email`,
      [tenant],
    )
  })
  after(() => core?.close())

  /** Adds a grant to every second account: more than a page. @returns their ids */
  async function allow(): Promise<string[]> {
    const rows = await core.database.query<{ id: string }>(
      `insert into grants (tenant_id, id, account_id, client_id, payload, created_at, updated_at)
       select $1, gen_random_uuid(), id, $2, '{}', now(), now() from accounts
       where id ~ '^p[0-9][02468]$' order by id returning account_id as id`,
      [tenant, web.client_id],
    )
    return rows.map(({ id }) => id)
  }

  it('signs out all accounts, in one document for all pages, and lists none when repeated', async () => {
    const holders = await allow()
    expect(holders).to.have.length.above(21)
    const { code, stdout } = await runHere([...all, '--json'], env)
    const output = JSON.parse(stdout) as Output
    expect(output.accounts.map(({ id }) => id)).to.deep.equal(holders)
    expect(output.failed).to.deep.equal([])
    expect(stdout).to.equal(`${JSON.stringify(output, null, 2)}\n`)
    expect(code).to.equal(0)
    expect((await runHere(all, env)).stdout).to.equal('Nobody is signed in.\n')
  })

  it('continues after an account that cannot be signed out, names it, and fails', async () => {
    const holders = await allow()
    const [, stuck = ''] = holders
    await core.database.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise 'not this one'; end $$`,
    )
    await core.database.query(
      `create trigger stuck before update on grants for each row when (old.account_id = '${stuck}') execute function refuse()`,
    )
    const { code, stdout } = await runHere([...all, '--json'], env)
    const { accounts, failed } = JSON.parse(stdout) as Output
    expect(accounts.map(({ id }) => id)).to.deep.equal(holders.filter((id) => id !== stuck))
    expect(failed).to.deep.equal([
      { id: stuck, email: `${60 - Number(stuck.slice(1))}@example.com`, error: 'not this one' },
    ])
    expect(code).to.equal(1)
    const again = await runHere(all, env)
    expect(again.stdout).to.match(/failed: not this one\n$/)
    expect(again.code).to.equal(1)
  })

  it('works for a disabled tenant, and records the event and the denial (ASVS 16.3)', async () => {
    await core.tenants.declare({ id: 'acme', name: 'Acme' })
    await core.revocations.setTenantDisabled('acme', true)
    await core.database.query(`delete from denials where tenant_id = 'acme'`)
    const { code, stderr } = await runHere([...all, '--tenant', 'acme'], env)
    expect(code, stderr).to.equal(0)
    const events = await core.database.query(
      `select detail from audit_events where tenant_id = 'acme' and type = 'tenant.signed_out'`,
    )
    expect(events).to.deep.equal([{ detail: { by: 'operator' } }])
    const denials = await core.database.query(
      `select kind, subject from denials where tenant_id = 'acme'`,
    )
    expect(denials).to.deep.equal([{ kind: 'tenant', subject: 'acme' }])
    const unknown = await runHere([...all, '--tenant', 'none'], env)
    expect(unknown.code).to.equal(1)
    expect(unknown.stderr).to.include('There is no tenant "none"')
  })
})
